// What the operator hears: a different pattern of tones for each thing that happens.

/** Hertz and milliseconds; a frequency of 0 is silence. */
const PATTERNS = {
  stored: [[1320, 120]],
  refused: [[220, 220], [0, 80], [220, 220]],
  confirm: [[880, 110], [0, 70], [880, 110], [0, 70], [880, 110]],
  expired: [[660, 160], [440, 260]],
  late: [[520, 180], [390, 180], [260, 420]],
};
const LOUDNESS = 0.25;
/** A tone that begins or ends at once would click. */
const EDGE_SECONDS = 0.008;

export class Sounds {
  #context = null;

  /** Browsers play nothing before the first key or touch: call it at each. */
  unlock() {
    this.#context ??= new AudioContext();
    if (this.#context.state === "suspended") this.#context.resume().catch(() => {});
  }

  play(name) {
    const pattern = PATTERNS[name];
    if (!pattern || this.#context === null) return;
    let at = this.#context.currentTime + EDGE_SECONDS;
    for (const [hertz, ms] of pattern) {
      if (hertz) this.#tone(hertz, at, at + ms / 1000);
      at += ms / 1000;
    }
  }

  #tone(hertz, from, to) {
    const tone = new OscillatorNode(this.#context, { type: "square", frequency: hertz });
    const loudness = new GainNode(this.#context, { gain: 0 });
    loudness.gain.setValueAtTime(0, from);
    loudness.gain.linearRampToValueAtTime(LOUDNESS, from + EDGE_SECONDS);
    loudness.gain.setValueAtTime(LOUDNESS, to - EDGE_SECONDS);
    loudness.gain.linearRampToValueAtTime(0, to);
    tone.connect(loudness).connect(this.#context.destination);
    tone.start(from);
    tone.stop(to);
  }
}
