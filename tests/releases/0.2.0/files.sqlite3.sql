PRAGMA application_id = 1397911394;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE bad_row (
    file TEXT NOT NULL,
    number INTEGER NOT NULL,
    line INTEGER NOT NULL,
    shown_column TEXT NOT NULL,
    value TEXT NOT NULL,
    reason TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (file, number)
);
CREATE TABLE file (
    id TEXT PRIMARY KEY,
    feed TEXT NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    run INTEGER NOT NULL,
    state TEXT NOT NULL,
    outcome TEXT NOT NULL DEFAULT '',
    checkpoint INTEGER NOT NULL DEFAULT 0,
    stored INTEGER NOT NULL DEFAULT 0,
    known INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    left_out INTEGER NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT '',
    ended_ms INTEGER,
    place TEXT
);
INSERT INTO "file" VALUES('8b0c30faac56','goods-in','delivery.csv','5640ac3ab88d0e50d5c44093f9422dedc9b1b428d28d46bb575fbae17e99472f',104,1795388049622,1,'done','done',3,3,0,0,0,'',1795388049625,'/srv/stockrelay/files/drop/done/2026/11/22/8b0c30faac56__delivery.csv');
CREATE TABLE lane (name TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (name, seq)) WITHOUT ROWID;
INSERT INTO "lane" VALUES('part:0dg9fx9by2hbabtkwpawdtnjge',2);
INSERT INTO "lane" VALUES('part:0n2qvxr3hwk7a8130v6mvbhr09',3);
INSERT INTO "lane" VALUES('part:cksyvv214eh3r84sd0s7pzj3vq',1);
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
INSERT INTO "outbox" VALUES(1,'goods-in:5640ac3ab88d0e50d5c44093f9422ded:1',1795388049622,'{"kind":"stock.add","stock_timestamp":1795388049622,"source":"goods-in:5640ac3ab88d:1","comments":"","part_id":"cksyvv214eh3r84sd0s7pzj3vq","storage_id":"ssssssssssssssssssssssssss","quantity":40,"idempotency_key":"goods-in:5640ac3ab88d0e50d5c44093f9422ded:1"}','add 40 of part cksyvv21… to ssssssss…','stored',0,0,NULL,NULL,NULL,'["part:cksyvv214eh3r84sd0s7pzj3vq"]','{"feed": "goods-in", "file": "8b0c30faac56", "name": "delivery.csv", "row": 1, "line": 2, "stored_ms": 1795388049624}',1,0);
INSERT INTO "outbox" VALUES(2,'goods-in:5640ac3ab88d0e50d5c44093f9422ded:2',1795388049622,'{"kind":"stock.add","stock_timestamp":1795388049622,"source":"goods-in:5640ac3ab88d:2","comments":"","part_id":"0dg9fx9by2hbabtkwpawdtnjge","storage_id":"ssssssssssssssssssssssssss","quantity":41,"idempotency_key":"goods-in:5640ac3ab88d0e50d5c44093f9422ded:2"}','add 41 of part 0dg9fx9b… to ssssssss…','stored',0,0,NULL,NULL,NULL,'["part:0dg9fx9by2hbabtkwpawdtnjge"]','{"feed": "goods-in", "file": "8b0c30faac56", "name": "delivery.csv", "row": 2, "line": 3, "stored_ms": 1795388049624}',1,0);
INSERT INTO "outbox" VALUES(3,'goods-in:5640ac3ab88d0e50d5c44093f9422ded:3',1795388049622,'{"kind":"stock.add","stock_timestamp":1795388049622,"source":"goods-in:5640ac3ab88d:3","comments":"","part_id":"0n2qvxr3hwk7a8130v6mvbhr09","storage_id":"ssssssssssssssssssssssssss","quantity":42,"idempotency_key":"goods-in:5640ac3ab88d0e50d5c44093f9422ded:3"}','add 42 of part 0n2qvxr3… to ssssssss…','stored',0,0,NULL,NULL,NULL,'["part:0n2qvxr3hwk7a8130v6mvbhr09"]','{"feed": "goods-in", "file": "8b0c30faac56", "name": "delivery.csv", "row": 3, "line": 4, "stored_ms": 1795388049624}',1,0);
CREATE TABLE producer (name TEXT NOT NULL);
INSERT INTO "producer" VALUES('files');
CREATE INDEX by_state ON outbox (state);
CREATE INDEX fronts ON outbox (seq, next_at_ms) WHERE state = 'stored' AND behind = 0 AND lanes != '[]';
CREATE INDEX barriers ON outbox (seq) WHERE state = 'stored' AND lanes = '[]';
CREATE INDEX file_by_content ON file (feed, sha256);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('outbox',3);
COMMIT;
