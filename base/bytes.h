// Byte strings: owned bytes are std::string, borrowed bytes are std::string_view.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace parley {

using Bytes = std::string;
// Borrows; never outlives the call it is passed to unless the callee says so.
using ByteView = std::string_view;

// Lower-case hexadecimal, two digits a byte.
std::string to_hex(ByteView bytes);
// Accepts both cases; nullopt for an odd length or a character that is no hex digit.
std::optional<Bytes> from_hex(std::string_view text);

// Unpadded URL-safe base64 (RFC 4648 section 5): what tokens on a command line look like.
std::string to_base64url(ByteView bytes);
std::optional<Bytes> from_base64url(std::string_view text);

// Standard padded base64 (RFC 4648 section 4): what JSON readers expect.
std::string to_base64(ByteView bytes);

// True when the bytes are well-formed UTF-8 (no surrogates, no overlong forms).
bool is_utf8(ByteView bytes);

}  // namespace parley
