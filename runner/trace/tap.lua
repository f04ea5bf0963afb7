-- Prints a record for each UDP datagram and QUIC packet: one line each, columns separated by tabs:
--
--   V  format, version of tshark
--   D  frame number, time, source, its port, destination, its port, ECN, UDP length,
--      bytes cut off, IP fragments, comment, UDP payload if WITH_PAYLOADS is set
--   P  size, connection, DCID length, packet number, key phase, payload size, bytes, plaintext
--   R  bytes
--   X  frame number, what went wrong in this script
--   E  number of D lines
--
-- P and R lines belong to the D line before them. A column without a value is empty. Byte strings
-- are in hexadecimal. Of a packet that tshark could decrypt, "bytes" is the header, up to and
-- including the packet number, and "plaintext" the payload; of any other, "bytes" is the whole
-- packet and "plaintext" is "-". An R line has the bytes at a datagram's end that tshark took for
-- no packet: padding, or a packet behind one that its dissectors failed on.
--
-- Only what needs keys, or the packets before, is taken from tshark; what the bytes alone contain
-- is parsed by the reader of these lines.

local FORMAT = 3

local datagrams = 0
local listener = Listener.new("frame", "udp && !icmp && !icmpv6")

local function write(...)
    io.stdout:write(table.concat({...}, "\t"), "\n")
end

local function escaped(text)
    return (tostring(text):gsub("[%c%%\127-\255]", function(character)
        return string.format("%%%02X", character:byte())
    end))
end

local function hexadecimal(range)
    return range:bytes():tohex(true)
end

local function number(field)
    -- A boolean is true or 1, a 64-bit integer is userdata, depending on tshark's version.
    local value = field.value
    if value == true then return "1" elseif value == false then return "0" end
    return tostring(value)
end

-- What each field adds to the packet that it is found in.
local of_packet = {
    ["quic.packet_length"] = function(packet, field) packet.size = field.value end,
    ["quic.dcid"] = function(packet, field) packet.dcid_length = field.len end,
    ["quic.packet_number"] = function(packet, field) packet.number = number(field) end,
    ["quic.key_phase"] = function(packet, field) packet.key_phase = number(field) end,
    ["quic.payload"] = function(packet, field) packet.payload = field end,
    ["quic.protected_payload"] = function(packet, field) packet.payload = field end,
    ["quic.remaining_payload"] = function(packet, field) packet.remaining = field.len end,
    ["quic.frame"] = function(packet, field)
        -- The frames' bytes lie in a buffer of their own: the decrypted payload.
        packet.plaintext = packet.plaintext or field.source
    end,
}

-- tshark builds no more of its tree than somebody asks for, which makes walking through it cheap.
local asked_for = {}
for _, name in ipairs({"frame.comment", "ip.dsfield.ecn", "ipv6.tclass.ecn", "udp", "udp.length",
    "ip.fragment.count", "ipv6.fragment.count",
    "quic", "quic.connection.number"}) do
    asked_for[name] = Field.new(name)
end
for name in pairs(of_packet) do asked_for[name] = Field.new(name) end

-- tshark does not say which connection ID an Initial's keys derive from.
local function is_initial(packet)
    local first, version = packet:range(0, 1):uint(), packet:range(1, 4):uint()
    local kind = math.floor(first / 16) % 4
    return first >= 0x80 and kind == (version == 0x6b3343cf and 1 or 0)
end

local function write_packet(packet, connection)
    -- The item's own length is not kept in a tree that nobody looks at: it goes to the end.
    local range = packet.field.range:range(0, packet.size)
    local payload, plaintext = packet.payload, "-"
    local size = payload and payload.len or packet.remaining or ""
    if packet.plaintext and payload and not is_initial(range) then
        plaintext = hexadecimal(packet.plaintext:range())
        range = range:range(0, payload.offset - packet.field.offset)
    end
    write("P", packet.size, connection, packet.dcid_length or 0, packet.number or "",
        packet.key_phase or "", size, hexadecimal(range), plaintext)
end

local function payload(udp, length)
    local till = udp.offset + tonumber(length)
    if not WITH_PAYLOADS or till > udp.source:len() then return "" end
    return hexadecimal(udp.source:range(udp.offset + 8, tonumber(length) - 8))
end

local function write_rest(udp, from, till)
    if from < till and till <= udp.source:len() then
        write("R", hexadecimal(udp.source:range(from, till - from)))
    end
end

local function write_datagram(pinfo)
    local packets, packet, connection = {}, nil, ""
    local udp, ecn, length, fragments, comment = nil, "", "", "1", ""
    for _, field in ipairs({all_field_infos()}) do
        local name = field.name
        local add = packet and of_packet[name]
        if add then
            add(packet, field)
        elseif name == "quic" then
            packet = {field = field}
            packets[#packets + 1] = packet
        elseif name == "quic.connection.number" then
            connection = number(field)
        elseif name == "ip.dsfield.ecn" or name == "ipv6.tclass.ecn" then
            ecn = number(field)
        elseif name == "udp" then
            udp = field
        elseif name == "udp.length" then
            length = number(field)
        elseif name == "ip.fragment.count" or name == "ipv6.fragment.count" then
            fragments = number(field)
        elseif name == "frame.comment" then
            comment = escaped(field.value)
        end
    end
    write("D", pinfo.number, string.format("%.9f", pinfo.rel_ts), tostring(pinfo.src),
        pinfo.src_port, tostring(pinfo.dst), pinfo.dst_port, ecn, length,
        pinfo.len - pinfo.caplen, fragments, comment, payload(udp, length))
    datagrams = datagrams + 1
    local rest = udp.offset + 8
    for _, each in ipairs(packets) do
        if each.size then -- otherwise it is padding behind the last packet
            write_packet(each, connection)
            rest = each.field.offset + each.size
        end
    end
    write_rest(udp, rest, udp.offset + tonumber(length))
end

function listener.packet(pinfo)
    local good, message = pcall(write_datagram, pinfo)
    if not good then write("X", pinfo.number, escaped(message)) end
end

function listener.draw()
    write("E", datagrams)
    io.stdout:flush()
end

io.stdout:setvbuf("full", 65536)
write("V", FORMAT, escaped(get_version()))
