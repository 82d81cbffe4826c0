PRAGMA application_id = 1397911394;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, kind TEXT NOT NULL,
    fields TEXT NOT NULL, summary TEXT NOT NULL, undo TEXT NOT NULL DEFAULT ''
);
INSERT INTO "entry" VALUES(1,'x4egecqfmysd2ncl462a',10,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000000", "quantity": 1, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 1 x part P -> storage Bbbbb (from storage Aaaaa)','');
INSERT INTO "entry" VALUES(2,'g2btpmf2rez2ckd5pmrg',14,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000001", "quantity": 2, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 2 x part P1 -> storage Bbbbb (from storage Aaaaa)','');
INSERT INTO "entry" VALUES(3,'33uxreabmasnb7nhfwx5',18,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000002", "quantity": 3, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 3 x part P2 -> storage Bbbbb (from storage Aaaaa)','');
CREATE TABLE known (
    question TEXT NOT NULL PRIMARY KEY, answer TEXT NOT NULL, read_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "known" VALUES('ids/aaaaaaaaaaaaaaaaaaaaaaaaaa','[{"id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "type": "storage", "name": "storage Aaaaa", "archived": false, "manufacturer": ""}]',1795385735615);
INSERT INTO "known" VALUES('ids/bbbbbbbbbbbbbbbbbbbbbbbbbb','[{"id": "bbbbbbbbbbbbbbbbbbbbbbbbbb", "type": "storage", "name": "storage Bbbbb", "archived": false, "manufacturer": ""}]',1795385735617);
INSERT INTO "known" VALUES('ids/p0000000000000000000000000','[{"id": "p0000000000000000000000000", "type": "part", "name": "part P", "archived": false, "manufacturer": ""}]',1795385735618);
INSERT INTO "known" VALUES('ids/p0000000000000000000000001','[{"id": "p0000000000000000000000001", "type": "part", "name": "part P1", "archived": false, "manufacturer": ""}]',1795385735619);
INSERT INTO "known" VALUES('ids/p0000000000000000000000002','[{"id": "p0000000000000000000000002", "type": "part", "name": "part P2", "archived": false, "manufacturer": ""}]',1795385735620);
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
INSERT INTO "outbox" VALUES(1,'x4egecqfmysd2ncl462a',1795385736260,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000000","quantity":1,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795385736260,"source":"ST-01"}','MOVED 1 x part P -> storage Bbbbb (from storage Aaaaa)','stored',1,1795385736352,NULL,'the relay does not answer (ClientConnectorError)',NULL,'["part:p0000000000000000000000000"]','{"scan_id": "01a20554-3c40-7c3d-8f50-270873155666", "seq": 10, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795385736260, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
INSERT INTO "outbox" VALUES(2,'g2btpmf2rez2ckd5pmrg',1795385736264,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000001","quantity":2,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795385736264,"source":"ST-01"}','MOVED 2 x part P1 -> storage Bbbbb (from storage Aaaaa)','stored',0,0,NULL,NULL,NULL,'["part:p0000000000000000000000001"]','{"scan_id": "01a20554-3c40-7be7-a0a2-d01f8c656c63", "seq": 14, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795385736264, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
INSERT INTO "outbox" VALUES(3,'33uxreabmasnb7nhfwx5',1795385736268,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000002","quantity":3,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795385736268,"source":"ST-01"}','MOVED 3 x part P2 -> storage Bbbbb (from storage Aaaaa)','stored',0,0,NULL,NULL,NULL,'["part:p0000000000000000000000002"]','{"scan_id": "01a20554-3c40-7a06-94d1-edf206f24cd1", "seq": 18, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795385736268, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
CREATE TABLE producer (name TEXT NOT NULL);
INSERT INTO "producer" VALUES('ST-01');
CREATE TABLE scan (
    seq INTEGER PRIMARY KEY, scan_id TEXT NOT NULL UNIQUE, station TEXT NOT NULL, device TEXT NOT NULL,
    operator TEXT NOT NULL, captured_at_ms INTEGER NOT NULL, raw TEXT NOT NULL, aim TEXT NOT NULL,
    repairs TEXT NOT NULL, tone TEXT NOT NULL, message TEXT NOT NULL, key TEXT
);
INSERT INTO "scan" VALUES(1,'01a20554-39be-7b2c-a567-b5887d8edc95','ST-01','stdin','',1795385735614,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(2,'01a20554-39be-7175-a814-08783a455555','ST-01','stdin','',1795385735615,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(3,'01a20554-39be-71d7-9215-89f3c6868e69','ST-01','stdin','',1795385735616,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(4,'01a20554-39be-7133-81b2-f5b86e1f1a33','ST-01','stdin','',1795385735617,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(5,'01a20554-39be-7492-88ff-cc9d62e6e976','ST-01','stdin','',1795385735618,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDI=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(6,'01a20554-3c40-7b38-879d-23d7d1fa4350','ST-01','stdin','',1795385736256,'U1RPQ0tTSElGVFM=','','[]','ok','MODE MOVE',NULL);
INSERT INTO "scan" VALUES(7,'01a20554-3c40-7ecb-9cd1-5116339ac491','ST-01','stdin','',1795385736257,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(8,'01a20554-3c40-7865-ba5a-381207f77c10','ST-01','stdin','',1795385736258,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=','','[]','ok','PART part P',NULL);
INSERT INTO "scan" VALUES(9,'01a20554-3c40-73e1-b92b-50d9d67b91b8','ST-01','stdin','',1795385736259,'U1RPQ0tQQ1NCQkJCQkJCQ0s=','','[]','ok','QUANTITY 1',NULL);
INSERT INTO "scan" VALUES(10,'01a20554-3c40-7c3d-8f50-270873155666','ST-01','stdin','',1795385736260,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 1 x part P -> storage Bbbbb','x4egecqfmysd2ncl462a');
INSERT INTO "scan" VALUES(11,'01a20554-3c40-7b7e-917c-be15027601d5','ST-01','stdin','',1795385736261,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(12,'01a20554-3c40-7371-a64f-45e913cc0e65','ST-01','stdin','',1795385736262,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE=','','[]','ok','PART part P1',NULL);
INSERT INTO "scan" VALUES(13,'01a20554-3c40-772c-9435-3cf4fcddb4de','ST-01','stdin','',1795385736263,'U1RPQ0tQQ1NCQkJCQkJCREk=','','[]','ok','QUANTITY 2',NULL);
INSERT INTO "scan" VALUES(14,'01a20554-3c40-7be7-a0a2-d01f8c656c63','ST-01','stdin','',1795385736264,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 2 x part P1 -> storage Bbbbb','g2btpmf2rez2ckd5pmrg');
INSERT INTO "scan" VALUES(15,'01a20554-3c40-7820-a5ed-393d425a46c3','ST-01','stdin','',1795385736265,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(16,'01a20554-3c40-7b38-8093-c4e2eb7244de','ST-01','stdin','',1795385736266,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDI=','','[]','ok','PART part P2',NULL);
INSERT INTO "scan" VALUES(17,'01a20554-3c40-78a0-9411-90f087cf24f7','ST-01','stdin','',1795385736267,'U1RPQ0tQQ1NCQkJCQkJCRkU=','','[]','ok','QUANTITY 3',NULL);
INSERT INTO "scan" VALUES(18,'01a20554-3c40-7a06-94d1-edf206f24cd1','ST-01','stdin','',1795385736268,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 3 x part P2 -> storage Bbbbb','33uxreabmasnb7nhfwx5');
CREATE INDEX by_state ON outbox (state);
CREATE INDEX fronts ON outbox (seq, next_at_ms) WHERE state = 'stored' AND behind = 0 AND lanes != '[]';
CREATE INDEX barriers ON outbox (seq) WHERE state = 'stored' AND lanes = '[]';
CREATE INDEX undo_wanted ON entry (number) WHERE undo = 'wanted';
CREATE INDEX label_of ON label (key);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',3);
INSERT INTO "sqlite_sequence" VALUES('entry',3);
COMMIT;
