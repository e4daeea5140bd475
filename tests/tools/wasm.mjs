// Runs the runtime's WebAssembly module in Node.
//
// usage: node wasm.mjs suite MODULE SUITE
//        node wasm.mjs speed MODULE MODEL IMAGES COUNT
//
// suite   the networks of a test: prints what became of them
// speed   recognises COUNT images (a file of pixels, one image after the other) for two seconds: prints
//         images a second of processor time, and a digest of all logits, as JSON
import { readFileSync } from 'node:fs';

const SCRATCH_BYTES = 1 << 20;
const TEXT_BYTES = 200;
const PAGE_BYTES = 1 << 16;

const [task, modulePath, ...files] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(readFileSync(modulePath), {});
const { memory, run_suite, recognize } = instance.exports;

// Adds memory that nobody else knows of; where it is.
const reserve = (bytes) => memory.grow(Math.ceil(bytes / PAGE_BYTES)) * PAGE_BYTES;
const place = (path) => {
    const bytes = readFileSync(path);
    const start = reserve(bytes.length);
    new Uint8Array(memory.buffer, start).set(bytes);
    return [start, bytes.length];
};
const scratch = [reserve(SCRATCH_BYTES), SCRATCH_BYTES];

if (task === 'suite') {
    const text = [reserve(TEXT_BYTES), TEXT_BYTES];
    const length = run_suite(...place(files[0]), ...scratch, ...text);
    console.log(Buffer.from(memory.buffer, text[0], Math.abs(length)).toString());
    process.exitCode = length > 0 ? 0 : 1;
} else if (task === 'speed') {
    const model = place(files[0]);
    const [images] = place(files[1]);
    const count = Number(files[2]);
    const run = () => recognize(...model, ...scratch, images, count);
    const digest = run(); // and has the engine optimise the code
    if (digest < 0n) throw new Error(`${files[0]}: the model does not load`);
    const start = process.cpuUsage();
    let [done, seconds] = [0, 0];
    while (seconds < 2) {
        if (run() !== digest) throw new Error('another run gave other logits');
        done += count;
        const { user, system } = process.cpuUsage(start);
        seconds = (user + system) / 1e6;
    }
    console.log(JSON.stringify({ imagesPerSecond: Math.round(done / seconds), digest: Number(digest) }));
} else {
    console.error('usage: node wasm.mjs suite MODULE SUITE | speed MODULE MODEL IMAGES COUNT');
    process.exitCode = 2;
}
