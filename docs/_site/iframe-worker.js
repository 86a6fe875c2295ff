// The search works in a Worker, and a browser starts none for a page that was opened from a disk.
// There the script runs in a hidden frame instead. The theme looks for "iframe-worker" in the name
// of this file before it would fetch another one from elsewhere.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.documentElement.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = inside.document.createElement("script");
      script.src = new URL(url, location.href).href;
      script.onload = () => this.deliver();
      inside.document.head.append(script);
    }

    postMessage(data) {
      this.waiting.push(data);
      if (this.ready) this.deliver();
    }

    deliver() {
      this.ready = true;
      for (const data of this.waiting.splice(0)) {
        this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
      }
    }

    terminate() {
      this.frame.remove();
    }
  };
}
