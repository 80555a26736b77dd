/**
 * Real Redis servers for tests, started and stopped from the test itself.
 *
 * @module
 */

export { TestServerError } from "./error.ts";
export type { TcpTestNode, TestNode, UnixTestNode } from "./node.ts";
export { type StartNodesOptions, startNodes, TestNodes } from "./nodes.ts";
