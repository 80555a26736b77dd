/** A test server that could not be started; the message carries what the server itself wrote. */
export class TestServerError extends Error {
  /** Tells this error from all others. */
  readonly code = "TEST_SERVER";

  override name = "TestServerError";
}
