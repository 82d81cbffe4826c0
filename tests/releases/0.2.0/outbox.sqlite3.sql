PRAGMA application_id = 1397911394;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, kind TEXT NOT NULL,
    fields TEXT NOT NULL, summary TEXT NOT NULL, undo TEXT NOT NULL DEFAULT ''
);
INSERT INTO "entry" VALUES(1,'tasxolh73guhfqwq7eno',10,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000000", "quantity": 1, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 1 x part P -> storage Bbbbb (from storage Aaaaa)','');
INSERT INTO "entry" VALUES(2,'razn5b7z376nhmogjrdk',14,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000001", "quantity": 2, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 2 x part P1 -> storage Bbbbb (from storage Aaaaa)','');
INSERT INTO "entry" VALUES(3,'gztrfhv3w3ysviovpsyn',18,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000002", "quantity": 3, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 3 x part P2 -> storage Bbbbb (from storage Aaaaa)','');
CREATE TABLE known (
    question TEXT NOT NULL PRIMARY KEY, answer TEXT NOT NULL, read_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "known" VALUES('ids/aaaaaaaaaaaaaaaaaaaaaaaaaa','[{"id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "type": "storage", "name": "storage Aaaaa", "archived": false, "manufacturer": ""}]',1795383636420);
INSERT INTO "known" VALUES('ids/bbbbbbbbbbbbbbbbbbbbbbbbbb','[{"id": "bbbbbbbbbbbbbbbbbbbbbbbbbb", "type": "storage", "name": "storage Bbbbb", "archived": false, "manufacturer": ""}]',1795383636422);
INSERT INTO "known" VALUES('ids/p0000000000000000000000000','[{"id": "p0000000000000000000000000", "type": "part", "name": "part P", "archived": false, "manufacturer": ""}]',1795383636423);
INSERT INTO "known" VALUES('ids/p0000000000000000000000001','[{"id": "p0000000000000000000000001", "type": "part", "name": "part P1", "archived": false, "manufacturer": ""}]',1795383636424);
INSERT INTO "known" VALUES('ids/p0000000000000000000000002','[{"id": "p0000000000000000000000002", "type": "part", "name": "part P2", "archived": false, "manufacturer": ""}]',1795383636425);
CREATE TABLE label (
    scope TEXT NOT NULL, identity TEXT NOT NULL, key TEXT NOT NULL, booked_at_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, identity)
) WITHOUT ROWID;
CREATE TABLE lane (name TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (name, seq)) WITHOUT ROWID;
INSERT INTO "lane" VALUES('part:p0000000000000000000000000',1);
INSERT INTO "lane" VALUES('part:p0000000000000000000000001',2);
INSERT INTO "lane" VALUES('part:p0000000000000000000000002',3);
CREATE TABLE note (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    stock_timestamp INTEGER NOT NULL,
    body TEXT NOT NULL,
    summary TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'stored',
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at_ms INTEGER NOT NULL DEFAULT 0,
    sent_at_ms INTEGER,
    last_error TEXT,
    result TEXT,
    lanes TEXT NOT NULL DEFAULT '[]',
    origin TEXT NOT NULL DEFAULT '{}',
    offered INTEGER NOT NULL DEFAULT 0,
    behind INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "outbox" VALUES(1,'tasxolh73guhfqwq7eno',1795383637087,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000000","quantity":1,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795383637087,"source":"ST-01"}','MOVED 1 x part P -> storage Bbbbb (from storage Aaaaa)','stored',1,1795383637227,NULL,'the relay does not answer (ClientConnectorError)',NULL,'["part:p0000000000000000000000000"]','{"scan_id": "01a20534-345b-7b8b-9070-af072407aae8", "seq": 10, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795383637087, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
INSERT INTO "outbox" VALUES(2,'razn5b7z376nhmogjrdk',1795383637091,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000001","quantity":2,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795383637091,"source":"ST-01"}','MOVED 2 x part P1 -> storage Bbbbb (from storage Aaaaa)','stored',0,0,NULL,NULL,NULL,'["part:p0000000000000000000000001"]','{"scan_id": "01a20534-345b-731b-b5c4-0edd5c620d97", "seq": 14, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795383637091, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
INSERT INTO "outbox" VALUES(3,'gztrfhv3w3ysviovpsyn',1795383637095,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000002","quantity":3,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795383637095,"source":"ST-01"}','MOVED 3 x part P2 -> storage Bbbbb (from storage Aaaaa)','stored',0,0,NULL,NULL,NULL,'["part:p0000000000000000000000002"]','{"scan_id": "01a20534-345b-7bf9-8f8c-74117da54239", "seq": 18, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795383637095, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
CREATE TABLE producer (name TEXT NOT NULL);
INSERT INTO "producer" VALUES('ST-01');
CREATE TABLE scan (
    seq INTEGER PRIMARY KEY, scan_id TEXT NOT NULL UNIQUE, station TEXT NOT NULL, device TEXT NOT NULL,
    operator TEXT NOT NULL, captured_at_ms INTEGER NOT NULL, raw TEXT NOT NULL, aim TEXT NOT NULL,
    repairs TEXT NOT NULL, tone TEXT NOT NULL, message TEXT NOT NULL, key TEXT
);
INSERT INTO "scan" VALUES(1,'01a20534-31c2-7368-8662-054773e2434b','ST-01','stdin','',1795383636418,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(2,'01a20534-31c2-798c-8492-bd0b3cdefc04','ST-01','stdin','',1795383636419,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(3,'01a20534-31c2-7067-90ff-a24e207d56f0','ST-01','stdin','',1795383636420,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(4,'01a20534-31c2-757b-9fda-920e0902d276','ST-01','stdin','',1795383636421,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(5,'01a20534-31c3-768e-9db6-147479ec62d3','ST-01','stdin','',1795383636422,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDI=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(6,'01a20534-345b-7083-82c1-e00ba4978fbd','ST-01','stdin','',1795383637083,'U1RPQ0tTSElGVFM=','','[]','ok','MODE MOVE',NULL);
INSERT INTO "scan" VALUES(7,'01a20534-345b-7307-a305-fe447712476a','ST-01','stdin','',1795383637084,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(8,'01a20534-345b-71b2-ac5c-0800e94d3282','ST-01','stdin','',1795383637085,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=','','[]','ok','PART part P',NULL);
INSERT INTO "scan" VALUES(9,'01a20534-345b-7dc4-b600-9da189444026','ST-01','stdin','',1795383637086,'U1RPQ0tQQ1NCQkJCQkJCQ0s=','','[]','ok','QUANTITY 1',NULL);
INSERT INTO "scan" VALUES(10,'01a20534-345b-7b8b-9070-af072407aae8','ST-01','stdin','',1795383637087,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 1 x part P -> storage Bbbbb','tasxolh73guhfqwq7eno');
INSERT INTO "scan" VALUES(11,'01a20534-345b-74b5-adb3-8f06b38b90fa','ST-01','stdin','',1795383637088,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(12,'01a20534-345b-73cc-a172-26a3b538d33a','ST-01','stdin','',1795383637089,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE=','','[]','ok','PART part P1',NULL);
INSERT INTO "scan" VALUES(13,'01a20534-345b-7a51-8d7c-a96fd6fe6a3a','ST-01','stdin','',1795383637090,'U1RPQ0tQQ1NCQkJCQkJCREk=','','[]','ok','QUANTITY 2',NULL);
INSERT INTO "scan" VALUES(14,'01a20534-345b-731b-b5c4-0edd5c620d97','ST-01','stdin','',1795383637091,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 2 x part P1 -> storage Bbbbb','razn5b7z376nhmogjrdk');
INSERT INTO "scan" VALUES(15,'01a20534-345b-7937-9d8e-0f0cb4163da4','ST-01','stdin','',1795383637092,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(16,'01a20534-345b-7878-8d6a-b38334853f40','ST-01','stdin','',1795383637093,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDI=','','[]','ok','PART part P2',NULL);
INSERT INTO "scan" VALUES(17,'01a20534-345b-748e-8fd0-a8395de84348','ST-01','stdin','',1795383637094,'U1RPQ0tQQ1NCQkJCQkJCRkU=','','[]','ok','QUANTITY 3',NULL);
INSERT INTO "scan" VALUES(18,'01a20534-345b-7bf9-8f8c-74117da54239','ST-01','stdin','',1795383637095,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 3 x part P2 -> storage Bbbbb','gztrfhv3w3ysviovpsyn');
CREATE INDEX by_state ON outbox (state);
CREATE INDEX fronts ON outbox (seq, next_at_ms) WHERE state = 'stored' AND behind = 0 AND lanes != '[]';
CREATE INDEX barriers ON outbox (seq) WHERE state = 'stored' AND lanes = '[]';
CREATE INDEX undo_wanted ON entry (number) WHERE undo = 'wanted';
CREATE INDEX label_of ON label (key);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',3);
INSERT INTO "sqlite_sequence" VALUES('entry',3);
COMMIT;
