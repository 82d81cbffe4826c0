PRAGMA application_id = 1397911394;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE lane (name TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (name, seq)) WITHOUT ROWID;
INSERT INTO "lane" VALUES('partsbox:part:0dg9fx9by2hbabtkwpawdtnjge',2);
INSERT INTO "lane" VALUES('partsbox:part:0n2qvxr3hwk7a8130v6mvbhr09',3);
INSERT INTO "lane" VALUES('partsbox:part:cksyvv214eh3r84sd0s7pzj3vq',1);
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
INSERT INTO "outbox" VALUES(1,'lt3tnxqf5iy74uu64rwg',1790000000000,'{"kind": "stock.add", "stock_timestamp": 1790000000000, "source": "erp", "comments": "", "part_id": "cksyvv214eh3r84sd0s7pzj3vq", "storage_id": "6wkm4kahy6ghq8qdvz4bs15s7d", "quantity": 30, "client": "erp"}','add 30 of part cksyvv21… to 6wkm4kah…','stored',1,1795388049024,NULL,'the ledger does not answer (ConnectionError)',NULL,'["partsbox:part:cksyvv214eh3r84sd0s7pzj3vq"]','{"client": "erp", "event_key": "", "place": 0, "is_told": false, "is_held": false, "trace": ""}',1,0);
INSERT INTO "outbox" VALUES(2,'adaip4gn4ljrnntyq3sg',1790000000001,'{"kind": "stock.add", "stock_timestamp": 1790000000001, "source": "erp", "comments": "", "part_id": "0dg9fx9by2hbabtkwpawdtnjge", "storage_id": "6wkm4kahy6ghq8qdvz4bs15s7d", "quantity": 31, "client": "erp"}','add 31 of part 0dg9fx9b… to 6wkm4kah…','stored',0,0,NULL,NULL,NULL,'["partsbox:part:0dg9fx9by2hbabtkwpawdtnjge"]','{"client": "erp", "event_key": "", "place": 0, "is_told": false, "is_held": false, "trace": ""}',0,0);
INSERT INTO "outbox" VALUES(3,'b6bbct5j2n5ki6y6ma3p',1790000000002,'{"kind": "stock.add", "stock_timestamp": 1790000000002, "source": "erp", "comments": "", "part_id": "0n2qvxr3hwk7a8130v6mvbhr09", "storage_id": "6wkm4kahy6ghq8qdvz4bs15s7d", "quantity": 32, "client": "erp"}','add 32 of part 0n2qvxr3… to 6wkm4kah…','stored',0,0,NULL,NULL,NULL,'["partsbox:part:0n2qvxr3hwk7a8130v6mvbhr09"]','{"client": "erp", "event_key": "", "place": 0, "is_told": false, "is_held": false, "trace": ""}',0,0);
CREATE TABLE producer (name TEXT NOT NULL);
INSERT INTO "producer" VALUES('webhooks');
CREATE INDEX by_state ON outbox (state);
CREATE INDEX fronts ON outbox (seq, next_at_ms) WHERE state = 'stored' AND behind = 0 AND lanes != '[]';
CREATE INDEX barriers ON outbox (seq) WHERE state = 'stored' AND lanes = '[]';
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',3);
COMMIT;
