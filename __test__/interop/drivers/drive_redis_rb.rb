# redis-rb's Redis::Distributed, which Debian has as ruby-redis. Speaks the JSON of protocol.py.

require "base64"
require "json"
require "redis"
require "redis/distributed"

request = JSON.parse($stdin.read)
answer = { "version" => "redis-rb #{Redis::VERSION}", "values" => [], "refused" => [] }
unless request["action"] == "version"
  # The id of a node, which is what its points on the ring are made of, is its URL.
  client = Redis::Distributed.new(request["nodes"].map { |node| node["name"] })
  request["items"].each_with_index do |item, index|
    encoding = item["kind"] == "text" ? Encoding::UTF_8 : Encoding::BINARY
    key = Base64.strict_decode64(item["key"]).force_encoding(encoding)
    value = nil
    begin
      if request["action"] == "write"
        client.set(key, Base64.strict_decode64(item["value"]))
      else
        value = client.get(key)
      end
    rescue StandardError => e
      answer["refused"] << { "index" => index, "error" => "#{e.class}: #{e.message}" }
    end
    answer["values"] << (value && Base64.strict_encode64(value))
  end
end
puts JSON.generate(answer)
