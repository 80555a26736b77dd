/** Apart from the other tests: these packages are installed here, and nowhere else. */
export default {
  files: ["__test__/libraries/*.spec.mjs"],
  nodeArguments: ["--import=@oxc-node/core/register"],
  timeout: "1m",
};
