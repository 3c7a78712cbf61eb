// A telephone in a page: it speaks a tone in syllables, keeps what it hears, and tells what happens (globalThis.tell).
// JsSIP is loaded before it.
"use strict";

const phone = {
  context: null,
  session: null,
  heard: [],

  // What the microphone hears: the lab's tone (tones.py), four syllables a second.
  voice(hz) {
    const rate = this.context.sampleRate;
    const second = this.context.createBuffer(1, rate, rate);
    const samples = second.getChannelData(0);
    for (let i = 0; i < rate; i += 1) {
      const part = ((i / rate) * 4) % 1;
      const loud = part < 0.65 ? Math.sqrt(Math.abs(Math.sin((Math.PI * part) / 0.65))) : 0;
      samples[i] = 10 ** (-15 / 20) * Math.SQRT2 * loud * Math.sin(2 * Math.PI * hz * (i / rate));
    }
    const speaker = this.context.createBufferSource();
    speaker.buffer = second;
    speaker.loop = true;
    const microphone = this.context.createMediaStreamDestination();
    speaker.connect(microphone);
    speaker.start();
    return microphone.stream;
  },

  // Keeps the far end's sound. An <audio> element has to play it, or the browser would not decode it.
  listen(stream) {
    const ear = new Audio();
    ear.srcObject = stream;
    ear.muted = true;
    ear.play();
    const source = this.context.createMediaStreamSource(stream);
    const recorder = this.context.createScriptProcessor(4096, 1, 1);
    recorder.onaudioprocess = (event) => this.heard.push(new Float32Array(event.inputBuffer.getChannelData(0)));
    source.connect(recorder);
    recorder.connect(this.context.destination);
    this.ear = [ear, source, recorder];
  },

  start({ server, uri, password, hz }) {
    this.context = new AudioContext({ sampleRate: 48000 });
    this.stream = this.voice(hz);
    const socket = new JsSIP.WebSocketInterface(server);
    this.ua = new JsSIP.UA({ sockets: [socket], uri, password, session_timers: false, register_expires: 120,
      connection_recovery_min_interval: 1, connection_recovery_max_interval: 2 });
    for (const news of ["connected", "disconnected", "registered", "registrationFailed"]) {
      this.ua.on(news, (event) => tell(JSON.stringify({ news, cause: (event && event.cause) || "" })));
    }
    this.ua.on("newRTCSession", ({ originator, session, request }) => this.take(originator, session, request));
    this.ua.start();
  },

  take(originator, session, request) {
    if (originator === "remote" && this.session && !this.session.isEnded()) {
      session.terminate({ status_code: 486 });
      return;
    }
    this.session = session;
    this.heard = [];
    const connected = (connection) => {
      connection.addEventListener("track", (event) => this.listen(event.streams[0]));
      connection.addEventListener("connectionstatechange", () =>
        tell(JSON.stringify({ news: "media", state: connection.connectionState })));
    };
    if (session.connection) connected(session.connection);
    else session.on("peerconnection", (event) => connected(event.peerconnection));
    for (const news of ["progress", "confirmed", "ended", "failed"]) {
      session.on(news, (event) =>
        tell(JSON.stringify({ news, by: (event && event.originator) || "", cause: (event && event.cause) || "" })));
    }
    if (originator === "remote") tell(JSON.stringify({ news: "incoming", from: request.from.toString() }));
  },

  answer() {
    this.session.answer({ mediaStream: this.stream, pcConfig: { rtcpMuxPolicy: "require" } });
  },

  call(target) {
    this.ua.call(target, { mediaStream: this.stream, pcConfig: { rtcpMuxPolicy: "require" } });
  },

  // The answer to its re-INVITE is news: JsSIP takes no other order before.
  hold() {
    this.session.hold({}, () => tell(JSON.stringify({ news: "held" })));
  },

  resume() {
    this.session.unhold({}, () => tell(JSON.stringify({ news: "resumed" })));
  },

  key(keys, transportType) {
    this.session.sendDTMF(keys, { duration: 100, interToneGap: 100, transportType });
  },

  // What was heard since the last time, as 16-bit samples in base64.
  take_heard() {
    const parts = this.heard.splice(0);
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + 2 * part.length, 0));
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const part of parts) {
      for (const sample of part) {
        view.setInt16(at, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
        at += 2;
      }
    }
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return { rate: this.context.sampleRate, samples: btoa(text) };
  },

  codec: async function () {
    let found = "";
    (await this.session.connection.getStats()).forEach((report, id, all) => {
      if (report.type === "inbound-rtp" && report.codecId) found = all.get(report.codecId).mimeType;
    });
    return found;
  },
};
globalThis.phone = phone;
