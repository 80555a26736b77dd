/** Its own configuration: the other tests neither wait for these clients nor need them. */
export default {
  files: ["__test__/interop/*.spec.ts"],
  extensions: { ts: "module" },
  nodeArguments: ["--import=@oxc-node/core/register"],
  // One at a time; the first run installs the clients before its first test.
  serial: true,
  timeout: "10m",
};
