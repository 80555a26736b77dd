import { defineConfig } from "tsdown";

export default defineConfig({
  entry: { index: "src/index.ts", testing: "src/testing/index.ts" },
  outDir: "dist/js",
  format: ["esm", "cjs"],
  platform: "node",
  target: "node20.19",
  dts: true,
  // The native loader is one CommonJS file that both formats share.
  external: ["#native"],
});
