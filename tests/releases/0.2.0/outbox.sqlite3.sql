PRAGMA application_id = 1397911394;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, kind TEXT NOT NULL,
    fields TEXT NOT NULL, summary TEXT NOT NULL, undo TEXT NOT NULL DEFAULT ''
);
INSERT INTO "entry" VALUES(1,'t67uyxypupuwzx4caijz',10,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000000", "quantity": 1, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 1 x part P -> storage Bbbbb (from storage Aaaaa)','');
INSERT INTO "entry" VALUES(2,'gegsxb42anqvolbielbm',14,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000001", "quantity": 2, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 2 x part P1 -> storage Bbbbb (from storage Aaaaa)','');
INSERT INTO "entry" VALUES(3,'qiy2tmajet2lholzzsn4',18,'stock.move','{"from_storage_id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "part_id": "p0000000000000000000000002", "quantity": 3, "to_storage_id": "bbbbbbbbbbbbbbbbbbbbbbbbbb"}','MOVED 3 x part P2 -> storage Bbbbb (from storage Aaaaa)','');
CREATE TABLE known (
    question TEXT NOT NULL PRIMARY KEY, answer TEXT NOT NULL, read_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "known" VALUES('ids/aaaaaaaaaaaaaaaaaaaaaaaaaa','[{"id": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "type": "storage", "name": "storage Aaaaa", "archived": false, "manufacturer": ""}]',1795388050410);
INSERT INTO "known" VALUES('ids/bbbbbbbbbbbbbbbbbbbbbbbbbb','[{"id": "bbbbbbbbbbbbbbbbbbbbbbbbbb", "type": "storage", "name": "storage Bbbbb", "archived": false, "manufacturer": ""}]',1795388050411);
INSERT INTO "known" VALUES('ids/p0000000000000000000000000','[{"id": "p0000000000000000000000000", "type": "part", "name": "part P", "archived": false, "manufacturer": ""}]',1795388050412);
INSERT INTO "known" VALUES('ids/p0000000000000000000000001','[{"id": "p0000000000000000000000001", "type": "part", "name": "part P1", "archived": false, "manufacturer": ""}]',1795388050413);
INSERT INTO "known" VALUES('ids/p0000000000000000000000002','[{"id": "p0000000000000000000000002", "type": "part", "name": "part P2", "archived": false, "manufacturer": ""}]',1795388050415);
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
INSERT INTO "outbox" VALUES(1,'t67uyxypupuwzx4caijz',1795388051081,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000000","quantity":1,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795388051081,"source":"ST-01"}','MOVED 1 x part P -> storage Bbbbb (from storage Aaaaa)','stored',1,1795388051445,NULL,'the relay does not answer (ClientConnectorError)',NULL,'["part:p0000000000000000000000000"]','{"scan_id": "01a20577-8e85-7623-a2a3-669065100a0c", "seq": 10, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795388051081, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
INSERT INTO "outbox" VALUES(2,'gegsxb42anqvolbielbm',1795388051085,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000001","quantity":2,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795388051085,"source":"ST-01"}','MOVED 2 x part P1 -> storage Bbbbb (from storage Aaaaa)','stored',0,0,NULL,NULL,NULL,'["part:p0000000000000000000000001"]','{"scan_id": "01a20577-8e85-7c4e-a659-5c68beff1025", "seq": 14, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795388051085, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
INSERT INTO "outbox" VALUES(3,'qiy2tmajet2lholzzsn4',1795388051089,'{"kind":"stock.move","from_storage_id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","part_id":"p0000000000000000000000002","quantity":3,"to_storage_id":"bbbbbbbbbbbbbbbbbbbbbbbbbb","stock_timestamp":1795388051089,"source":"ST-01"}','MOVED 3 x part P2 -> storage Bbbbb (from storage Aaaaa)','stored',0,0,NULL,NULL,NULL,'["part:p0000000000000000000000002"]','{"scan_id": "01a20577-8e85-7abf-bbf9-5373785a130a", "seq": 18, "station": "ST-01", "device": "stdin", "operator": "", "captured_at_ms": 1795388051089, "raw": "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=", "aim": "", "repairs": []}',0,0);
CREATE TABLE producer (name TEXT NOT NULL);
INSERT INTO "producer" VALUES('ST-01');
CREATE TABLE scan (
    seq INTEGER PRIMARY KEY, scan_id TEXT NOT NULL UNIQUE, station TEXT NOT NULL, device TEXT NOT NULL,
    operator TEXT NOT NULL, captured_at_ms INTEGER NOT NULL, raw TEXT NOT NULL, aim TEXT NOT NULL,
    repairs TEXT NOT NULL, tone TEXT NOT NULL, message TEXT NOT NULL, key TEXT
);
INSERT INTO "scan" VALUES(1,'01a20577-8be8-7bba-9279-7d54e76bccaf','ST-01','stdin','',1795388050408,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(2,'01a20577-8be8-77ff-b761-88a80b6ea5d6','ST-01','stdin','',1795388050409,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(3,'01a20577-8be8-7cb7-baff-6eb5b1c8a09d','ST-01','stdin','',1795388050410,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(4,'01a20577-8be8-76a5-9d38-9dbbfbe4ac6b','ST-01','stdin','',1795388050411,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(5,'01a20577-8be8-7852-b92f-deb2f1fa1f8d','ST-01','stdin','',1795388050412,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDI=','','[]','error','NO MODE CHOSEN, NOTHING TAKEN',NULL);
INSERT INTO "scan" VALUES(6,'01a20577-8e85-7f98-8555-8224b19c087a','ST-01','stdin','',1795388051077,'U1RPQ0tTSElGVFM=','','[]','ok','MODE MOVE',NULL);
INSERT INTO "scan" VALUES(7,'01a20577-8e85-7c26-83c1-af1b92236720','ST-01','stdin','',1795388051078,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(8,'01a20577-8e85-7b57-9283-efff00547dcd','ST-01','stdin','',1795388051079,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=','','[]','ok','PART part P',NULL);
INSERT INTO "scan" VALUES(9,'01a20577-8e85-7f49-9415-8b3589274cc2','ST-01','stdin','',1795388051080,'U1RPQ0tQQ1NCQkJCQkJCQ0s=','','[]','ok','QUANTITY 1',NULL);
INSERT INTO "scan" VALUES(10,'01a20577-8e85-7623-a2a3-669065100a0c','ST-01','stdin','',1795388051081,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 1 x part P -> storage Bbbbb','t67uyxypupuwzx4caijz');
INSERT INTO "scan" VALUES(11,'01a20577-8e85-7079-abfd-cec8e852fd13','ST-01','stdin','',1795388051082,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(12,'01a20577-8e85-7d7d-97cb-fd31e320457e','ST-01','stdin','',1795388051083,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDE=','','[]','ok','PART part P1',NULL);
INSERT INTO "scan" VALUES(13,'01a20577-8e85-7e4a-ad38-c2175a46db28','ST-01','stdin','',1795388051084,'U1RPQ0tQQ1NCQkJCQkJCREk=','','[]','ok','QUANTITY 2',NULL);
INSERT INTO "scan" VALUES(14,'01a20577-8e85-7c4e-a659-5c68beff1025','ST-01','stdin','',1795388051085,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 2 x part P1 -> storage Bbbbb','gegsxb42anqvolbielbm');
INSERT INTO "scan" VALUES(15,'01a20577-8e85-747a-8998-4006006d5fd1','ST-01','stdin','',1795388051086,'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=','','[]','ok','SOURCE LOCATION storage Aaaaa',NULL);
INSERT INTO "scan" VALUES(16,'01a20577-8e85-7260-8ccc-eec9a91352e2','ST-01','stdin','',1795388051087,'cDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDI=','','[]','ok','PART part P2',NULL);
INSERT INTO "scan" VALUES(17,'01a20577-8e85-7bde-93f2-f9d72ad98a39','ST-01','stdin','',1795388051088,'U1RPQ0tQQ1NCQkJCQkJCRkU=','','[]','ok','QUANTITY 3',NULL);
INSERT INTO "scan" VALUES(18,'01a20577-8e85-7abf-bbf9-5373785a130a','ST-01','stdin','',1795388051089,'YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=','','[]','stored','MOVED 3 x part P2 -> storage Bbbbb','qiy2tmajet2lholzzsn4');
CREATE INDEX by_state ON outbox (state);
CREATE INDEX fronts ON outbox (seq, next_at_ms) WHERE state = 'stored' AND behind = 0 AND lanes != '[]';
CREATE INDEX barriers ON outbox (seq) WHERE state = 'stored' AND lanes = '[]';
CREATE INDEX undo_wanted ON entry (number) WHERE undo = 'wanted';
CREATE INDEX label_of ON label (key);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',3);
INSERT INTO "sqlite_sequence" VALUES('entry',3);
COMMIT;
