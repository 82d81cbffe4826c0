PRAGMA application_id = 1397911394;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, kind TEXT NOT NULL,
    fields TEXT NOT NULL, summary TEXT NOT NULL, undo TEXT NOT NULL DEFAULT ''
);
INSERT INTO "entry" VALUES(1,'47qlffkwz7xqxk2d6jza',10,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000000", "quantity": 1, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 1 x part P -> storage Bbbbb (from storage Aaaaa)','');
INSERT INTO "entry" VALUES(2,'3u3ospxlg6clz375vb45',14,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000001", "quantity": 2, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 2 x part P1 -> storage Bbbbb (from storage Aaaaa)','');
INSERT INTO "entry" VALUES(3,'6u7t2m224a6kzjxxung5',18,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000002", "quantity": 3, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 3 x part P2 -> storage Bbbbb (from storage Aaaaa)','');
CREATE TABLE known (
    question TEXT NOT NULL PRIMARY KEY, answer TEXT NOT NULL, read_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "known" VALUES('ids/aaaaaaaaaaaaaaaaaaaaaaaaaa','[{"id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "type": "storage", "name": "storage Aaaaa", "archived": false, "manufacturer": ""}]',1795374784170);
INSERT INTO "known" VALUES('ids/bbbbbbbbbbbbbbbbbbbbbbbbbb','[{"id": "bbbbbbbbbbbbbbbbbbbbbbbbbb", "type": "storage", "name": "storage Bbbbb", "archived": false, "manufacturer": ""}]',1795374784171);
INSERT INTO "known" VALUES('ids/p0000000000000000000000000','[{"id": "p0000000000000000000000000", "type": "part", "name": "part P", "archived": false, "manufacturer": ""}]',1795374784173);
INSERT INTO "known" VALUES('ids/p0000000000000000000000001','[{"id": "p0000000000000000000000001", "type": "part", "name": "part P1", "archived": false, "manufacturer": ""}]',1795374784174);
INSERT INTO "known" VALUES('ids/p0000000000000000000000002','[{"id": "p0000000000000000000000002", "type": "part", "name": "part P2", "archived": false, "manufacturer": ""}]',1795374784176);
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
INSERT INTO "outbox" VALUES(1,'47qlffkwz7xqxk2d6jza',1795374784970,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000000","quantity":1,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795374784970,"source":"ST-01"}','MOVED 1 x part P -> storage Bbbbb (from storage Aaaaa)','stored',1,1795374785074,NULL,'the relay does not answer (ClientConnectorError)',NULL,'["part:p0000000000000000000000000"]','{"scan_id": "01a204ad-21c6-7211-8d82-72c798e841c5", "seq": 10, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795374784970, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
INSERT INTO "outbox" VALUES(2,'3u3ospxlg6clz375vb45',1795374784974,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000001","quantity":2,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795374784974,"source":"ST-01"}','MOVED 2 x part P1 -> storage Bbbbb (from storage Aaaaa)','stored',0,0,NULL,NULL,NULL,'["part:p0000000000000000000000001"]','{"scan_id": "01a204ad-21c6-7abb-b9b3-ee74253e0aa2", "seq": 14, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795374784974, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
INSERT INTO "outbox" VALUES(3,'6u7t2m224a6kzjxxung5',1795374784978,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000002","quantity":3,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795374784978,"source":"ST-01"}','MOVED 3 x part P2 -> storage Bbbbb (from storage Aaaaa)','stored',0,0,NULL,NULL,NULL,'["part:p0000000000000000000000002"]','{"scan_id": "01a204ad-21c6-736d-a81e-79af2b4794cd", "seq": 18, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795374784978, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
CREATE TABLE producer (name TEXT NOT NULL);
INSERT INTO "producer" VALUES('ST-01');
CREATE TABLE scan (
    seq INTEGER PRIMARY KEY, scan_id TEXT NOT NULL UNIQUE, station TEXT NOT NULL, device TEXT NOT NULL,
    operator TEXT NOT NULL, captured_at_ms INTEGER NOT NULL, raw TEXT NOT NULL, aim TEXT NOT NULL,
    repairs TEXT NOT NULL, tone TEXT NOT NULL, message TEXT NOT NULL, key TEXT
);
INSERT INTO "scan" VALUES(1,'01a204ad-1ea8-77c7-a1cb-3d202767bfec','ST-01','stdin','',1795374784168,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(2,'01a204ad-1ea8-731c-bdf4-ffa19c32766e','ST-01','stdin','',1795374784169,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(3,'01a204ad-1ea8-7ba2-a189-f0d0fb7cdfe0','ST-01','stdin','',1795374784170,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(4,'01a204ad-1ea8-7cfc-b8be-dcc7b14a88ce','ST-01','stdin','',1795374784171,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(5,'01a204ad-1ea8-7d8a-bca3-9126f1e1a667','ST-01','stdin','',1795374784172,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDI=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(6,'01a204ad-21c6-76b1-951a-eba06193d13d','ST-01','stdin','',1795374784966,'U1RPQ0tTSElGVFM=','','[]','ok','MODE MOVE',NULL);
INSERT INTO "scan" VALUES(7,'01a204ad-21c6-73ed-b1fc-91b823a32a3c','ST-01','stdin','',1795374784967,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(8,'01a204ad-21c6-7905-9918-07e5f9bfacd6','ST-01','stdin','',1795374784968,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=','','[]','ok','PART part P',NULL);
INSERT INTO "scan" VALUES(9,'01a204ad-21c6-7b00-aa7b-a25a87254d0e','ST-01','stdin','',1795374784969,'U1RPQ0tQQ1NCQkJCQkJCQ0s=','','[]','ok','QUANTITY 1',NULL);
INSERT INTO "scan" VALUES(10,'01a204ad-21c6-7211-8d82-72c798e841c5','ST-01','stdin','',1795374784970,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 1 x part P -> storage Bbbbb','47qlffkwz7xqxk2d6jza');
INSERT INTO "scan" VALUES(11,'01a204ad-21c6-719f-9e0a-2c52e1034265','ST-01','stdin','',1795374784971,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(12,'01a204ad-21c6-797b-b231-973f7bb682d7','ST-01','stdin','',1795374784972,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE=','','[]','ok','PART part P1',NULL);
INSERT INTO "scan" VALUES(13,'01a204ad-21c6-759e-a506-d540e5f8c8cd','ST-01','stdin','',1795374784973,'U1RPQ0tQQ1NCQkJCQkJCREk=','','[]','ok','QUANTITY 2',NULL);
INSERT INTO "scan" VALUES(14,'01a204ad-21c6-7abb-b9b3-ee74253e0aa2','ST-01','stdin','',1795374784974,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 2 x part P1 -> storage Bbbbb','3u3ospxlg6clz375vb45');
INSERT INTO "scan" VALUES(15,'01a204ad-21c6-7ab6-9370-873a9d83d4ec','ST-01','stdin','',1795374784975,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(16,'01a204ad-21c6-7c6a-b40e-731b7e22bf00','ST-01','stdin','',1795374784976,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDI=','','[]','ok','PART part P2',NULL);
INSERT INTO "scan" VALUES(17,'01a204ad-21c6-72b7-ae3b-dd22ac3c3ae4','ST-01','stdin','',1795374784977,'U1RPQ0tQQ1NCQkJCQkJCRkU=','','[]','ok','QUANTITY 3',NULL);
INSERT INTO "scan" VALUES(18,'01a204ad-21c6-736d-a81e-79af2b4794cd','ST-01','stdin','',1795374784978,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 3 x part P2 -> storage Bbbbb','6u7t2m224a6kzjxxung5');
CREATE INDEX by_state ON outbox (state);
CREATE INDEX fronts ON outbox (seq, next_at_ms) WHERE state = 'stored' AND behind = 0 AND lanes != '[]';
CREATE INDEX barriers ON outbox (seq) WHERE state = 'stored' AND lanes = '[]';
CREATE INDEX undo_wanted ON entry (number) WHERE undo = 'wanted';
CREATE INDEX label_of ON label (key);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',3);
INSERT INTO "sqlite_sequence" VALUES('entry',3);
COMMIT;
