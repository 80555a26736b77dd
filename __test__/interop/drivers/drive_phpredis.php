<?php
// phpredis' RedisArray. Speaks the JSON of protocol.py.

ini_set("display_errors", "stderr");
if (!class_exists("RedisArray")) {
  fwrite(STDERR, "php runs, but without the redis extension\n");
  exit(1);
}

$request = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);
$answer = ["version" => "phpredis " . phpversion("redis"), "values" => [], "refused" => []];
if ($request["action"] !== "version") {
  $hosts = array_map(fn($node) => $node["name"], $request["nodes"]);
  $array = new RedisArray($hosts, $request["config"]);
  foreach ($request["items"] as $index => $item) {
    $key = base64_decode($item["key"], true);
    $value = false;
    try {
      if ($request["action"] === "read") {
        $value = $array->get($key);
      } elseif ($array->set($key, base64_decode($item["value"], true)) !== true) {
        $answer["refused"][] = ["index" => $index, "error" => "set answered false"];
      }
    } catch (Throwable $error) {
      $answer["refused"][] = ["index" => $index, "error" => $error->getMessage()];
    }
    $answer["values"][] = $value === false ? null : base64_encode($value);
  }
}
echo json_encode($answer, JSON_THROW_ON_ERROR);
