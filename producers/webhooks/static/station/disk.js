// What this browser keeps (IndexedDB): the outbox, the labels that were booked, names of ids, the last moment.

const NAME = "stockrelay-station";
const STORES = ["outbox", "labels", "known", "facts"];
/** Settled entries are kept so long, for taking back and for questions. */
const KEPT_MS = 30 * 86_400_000;

const answered = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** One transaction; inside of it wait for nothing but its own methods. */
class Change {
  #transaction;

  constructor(transaction) {
    this.#transaction = transaction;
  }

  get(store, key) {
    return answered(this.#transaction.objectStore(store).get(key));
  }

  add(store, value) {
    return answered(this.#transaction.objectStore(store).add(value));
  }

  put(store, value) {
    return answered(this.#transaction.objectStore(store).put(value));
  }

  delete(store, key) {
    return answered(this.#transaction.objectStore(store).delete(key));
  }

  /** Give the entries under a value of an index, oldest first. */
  under(index, value, limit) {
    return answered(this.#transaction.objectStore("outbox").index(index).getAll(IDBKeyRange.only(value), limit));
  }

  count(index, value) {
    return answered(this.#transaction.objectStore("outbox").index(index).count(IDBKeyRange.only(value)));
  }

  /** Go through the outbox, newest first, until `visit` returns true. */
  async newestFirst(visit) {
    const request = this.#transaction.objectStore("outbox").openCursor(null, "prev");
    await new Promise((resolve, reject) => {
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const cursor = request.result;
        if (cursor === null || visit(cursor.value)) resolve();
        else cursor.continue();
      };
    });
  }

  /** Give a moment in UTC milliseconds that is later than every one before, whatever the clock does. */
  async moment(now) {
    const last = (await this.get("facts", "last_ms"))?.value ?? 0;
    const value = Math.max(now, last + 1);
    await this.put("facts", { name: "last_ms", value });
    return value;
  }
}

export class Disk {
  #database;

  constructor(database) {
    this.#database = database;
  }

  static async open(name = NAME) {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      const outbox = request.result.createObjectStore("outbox", { keyPath: "seq", autoIncrement: true });
      // both hold the client's name while the entry is so, and nothing afterwards
      outbox.createIndex("waiting", "waiting");
      outbox.createIndex("unsettled", "unsettled");
      outbox.createIndex("key", "key");
      const labels = request.result.createObjectStore("labels", { keyPath: ["scope", "identity"] });
      labels.createIndex("seq", "seq");
      request.result.createObjectStore("known", { keyPath: "question" });
      request.result.createObjectStore("facts", { keyPath: "name" });
    };
    return new Disk(await answered(request));
  }

  /** Change something; it is on disk when this returns, and nothing is changed when it throws. */
  async change(work) {
    const transaction = this.#database.transaction(STORES, "readwrite", { durability: "strict" });
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("the browser's disk took nothing"));
    });
    done.catch(() => {});
    let result;
    try {
      result = await work(new Change(transaction));
    } catch (error) {
      try {
        transaction.abort();
      } catch {
        // it has ended by itself
      }
      throw error;
    }
    await done;
    return result;
  }

  /** Look something up without changing anything. */
  async look(work) {
    return work(new Change(this.#database.transaction(STORES, "readonly")));
  }

  get(store, key) {
    return this.look((change) => change.get(store, key));
  }

  async fact(name) {
    return (await this.get("facts", name))?.value;
  }

  /** Forget what was settled long ago. */
  async tidy(now) {
    await this.change(async (change) => {
      const old = [];
      await change.newestFirst((row) => {
        if (!row.waiting && !row.unsettled && now - row.stock_timestamp > KEPT_MS) old.push(row.seq);
        return false;
      });
      for (const seq of old) await change.delete("outbox", seq);
    });
  }

  close() {
    this.#database.close();
  }
}
