PRAGMA application_id = 1397911394;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, kind TEXT NOT NULL,
    fields TEXT NOT NULL, summary TEXT NOT NULL, undo TEXT NOT NULL DEFAULT ''
);
INSERT INTO "entry" VALUES(1,'s7zxsy4utoz6wkww7bz6',10,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000000", "quantity": 1, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 1 x part P -> storage Bbbbb (from storage Aaaaa)','');
INSERT INTO "entry" VALUES(2,'gnkjx3wfxfbko5drk7bc',14,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000001", "quantity": 2, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 2 x part P1 -> storage Bbbbb (from storage Aaaaa)','');
INSERT INTO "entry" VALUES(3,'f7sqdbsriuljtp53lqga',18,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000002", "quantity": 3, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 3 x part P2 -> storage Bbbbb (from storage Aaaaa)','');
CREATE TABLE known (
    question TEXT NOT NULL PRIMARY KEY, answer TEXT NOT NULL, read_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "known" VALUES('ids/aaaaaaaaaaaaaaaaaaaaaaaaaa','[{"id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "type": "storage", "name": "storage Aaaaa", "archived": false, "manufacturer": ""}]',1795373163988);
INSERT INTO "known" VALUES('ids/bbbbbbbbbbbbbbbbbbbbbbbbbb','[{"id": "bbbbbbbbbbbbbbbbbbbbbbbbbb", "type": "storage", "name": "storage Bbbbb", "archived": false, "manufacturer": ""}]',1795373163991);
INSERT INTO "known" VALUES('ids/p0000000000000000000000000','[{"id": "p0000000000000000000000000", "type": "part", "name": "part P", "archived": false, "manufacturer": ""}]',1795373163992);
INSERT INTO "known" VALUES('ids/p0000000000000000000000001','[{"id": "p0000000000000000000000001", "type": "part", "name": "part P1", "archived": false, "manufacturer": ""}]',1795373163994);
INSERT INTO "known" VALUES('ids/p0000000000000000000000002','[{"id": "p0000000000000000000000002", "type": "part", "name": "part P2", "archived": false, "manufacturer": ""}]',1795373163996);
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
INSERT INTO "outbox" VALUES(1,'s7zxsy4utoz6wkww7bz6',1795373165277,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000000","quantity":1,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795373165277,"source":"ST-01"}','MOVED 1 x part P -> storage Bbbbb (from storage Aaaaa)','stored',1,1795373165512,NULL,'the relay does not answer (ClientConnectorError)',NULL,'["part:p0000000000000000000000000"]','{"scan_id": "01a20494-6ad9-7d27-9e3a-1aedb8f7ed0a", "seq": 10, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795373165277, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
INSERT INTO "outbox" VALUES(2,'gnkjx3wfxfbko5drk7bc',1795373165281,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000001","quantity":2,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795373165281,"source":"ST-01"}','MOVED 2 x part P1 -> storage Bbbbb (from storage Aaaaa)','stored',0,0,NULL,NULL,NULL,'["part:p0000000000000000000000001"]','{"scan_id": "01a20494-6ad9-7259-aab9-44aa10a62ef7", "seq": 14, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795373165281, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
INSERT INTO "outbox" VALUES(3,'f7sqdbsriuljtp53lqga',1795373165285,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000002","quantity":3,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795373165285,"source":"ST-01"}','MOVED 3 x part P2 -> storage Bbbbb (from storage Aaaaa)','stored',0,0,NULL,NULL,NULL,'["part:p0000000000000000000000002"]','{"scan_id": "01a20494-6ad9-79f1-8b18-ae51d37f6369", "seq": 18, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795373165285, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
CREATE TABLE producer (name TEXT NOT NULL);
INSERT INTO "producer" VALUES('ST-01');
CREATE TABLE scan (
    seq INTEGER PRIMARY KEY, scan_id TEXT NOT NULL UNIQUE, station TEXT NOT NULL, device TEXT NOT NULL,
    operator TEXT NOT NULL, captured_at_ms INTEGER NOT NULL, raw TEXT NOT NULL, aim TEXT NOT NULL,
    repairs TEXT NOT NULL, tone TEXT NOT NULL, message TEXT NOT NULL, key TEXT
);
INSERT INTO "scan" VALUES(1,'01a20494-65d1-74ef-9325-ce676a56747f','ST-01','stdin','',1795373163985,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(2,'01a20494-65d1-70b0-a5ed-d7e3c6898090','ST-01','stdin','',1795373163986,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(3,'01a20494-65d1-738b-bd06-16f2172edfc4','ST-01','stdin','',1795373163987,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(4,'01a20494-65d1-77cc-b795-0995e53f97ec','ST-01','stdin','',1795373163988,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(5,'01a20494-65d2-74de-b43e-379a5a814760','ST-01','stdin','',1795373163989,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDI=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(6,'01a20494-6ad9-768e-95c8-3ca37088f21c','ST-01','stdin','',1795373165273,'U1RPQ0tTSElGVFM=','','[]','ok','MODE MOVE',NULL);
INSERT INTO "scan" VALUES(7,'01a20494-6ad9-7b67-b068-247625302432','ST-01','stdin','',1795373165274,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(8,'01a20494-6ad9-787c-a618-a9d95a69eaf8','ST-01','stdin','',1795373165275,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=','','[]','ok','PART part P',NULL);
INSERT INTO "scan" VALUES(9,'01a20494-6ad9-729f-9df0-65211568b451','ST-01','stdin','',1795373165276,'U1RPQ0tQQ1NCQkJCQkJCQ0s=','','[]','ok','QUANTITY 1',NULL);
INSERT INTO "scan" VALUES(10,'01a20494-6ad9-7d27-9e3a-1aedb8f7ed0a','ST-01','stdin','',1795373165277,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 1 x part P -> storage Bbbbb','s7zxsy4utoz6wkww7bz6');
INSERT INTO "scan" VALUES(11,'01a20494-6ad9-727d-be64-0fd294602efc','ST-01','stdin','',1795373165278,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(12,'01a20494-6ad9-713a-a72f-34338174714e','ST-01','stdin','',1795373165279,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE=','','[]','ok','PART part P1',NULL);
INSERT INTO "scan" VALUES(13,'01a20494-6ad9-713c-a15f-c80ba36d365c','ST-01','stdin','',1795373165280,'U1RPQ0tQQ1NCQkJCQkJCREk=','','[]','ok','QUANTITY 2',NULL);
INSERT INTO "scan" VALUES(14,'01a20494-6ad9-7259-aab9-44aa10a62ef7','ST-01','stdin','',1795373165281,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 2 x part P1 -> storage Bbbbb','gnkjx3wfxfbko5drk7bc');
INSERT INTO "scan" VALUES(15,'01a20494-6ad9-7f75-8a28-bd3f5b100b28','ST-01','stdin','',1795373165282,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(16,'01a20494-6ad9-73bd-9135-eccbded33939','ST-01','stdin','',1795373165283,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDI=','','[]','ok','PART part P2',NULL);
INSERT INTO "scan" VALUES(17,'01a20494-6ad9-7ee1-8c51-8136f0304f0f','ST-01','stdin','',1795373165284,'U1RPQ0tQQ1NCQkJCQkJCRkU=','','[]','ok','QUANTITY 3',NULL);
INSERT INTO "scan" VALUES(18,'01a20494-6ad9-79f1-8b18-ae51d37f6369','ST-01','stdin','',1795373165285,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 3 x part P2 -> storage Bbbbb','f7sqdbsriuljtp53lqga');
CREATE INDEX by_state ON outbox (state);
CREATE INDEX fronts ON outbox (seq, next_at_ms) WHERE state = 'stored' AND behind = 0 AND lanes != '[]';
CREATE INDEX barriers ON outbox (seq) WHERE state = 'stored' AND lanes = '[]';
CREATE INDEX undo_wanted ON entry (number) WHERE undo = 'wanted';
CREATE INDEX label_of ON label (key);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',3);
INSERT INTO "sqlite_sequence" VALUES('entry',3);
COMMIT;
