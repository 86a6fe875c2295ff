// Texts that come from files: what a terminal would obey in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

namespace vmamba_inference {

namespace detail {

// The number of bytes of the character of UTF-8 at `start`; 0 where there is none.
inline std::size_t character_bytes(const std::string &text, std::size_t start) {
  const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(start);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (start + bytes > text.size()) return 0;
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(start + i) & 0xC0) != 0x80) return 0;
  }
  return bytes;
}

inline std::uint32_t code_point(const std::string &text, std::size_t start, std::size_t bytes) {
  const auto first = static_cast<unsigned char>(text[start]);
  if (bytes == 1) return first;
  std::uint32_t point = first & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    point = (point << 6) | (static_cast<unsigned char>(text[start + i]) & 0x3FU);
  }
  return point;
}

// Control characters, ends of lines and paragraphs, and what turns the direction of the text.
inline bool steers(std::uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x61C || point == 0x200E ||
         point == 0x200F || (point >= 0x2028 && point <= 0x202E) ||
         (point >= 0x2066 && point <= 0x2069);
}

}  // namespace detail

// The text with what a terminal would obey, and what is no UTF-8, as escapes; what is to `keep`
// stays.
inline std::string printable(const std::string &text, const std::string &keep = "") {
  std::string shown;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t bytes = detail::character_bytes(text, i);
    const std::uint32_t point =
        bytes > 0 ? detail::code_point(text, i, bytes) : static_cast<unsigned char>(text[i]);
    const bool kept = bytes == 1 && keep.find(text[i]) != std::string::npos;
    if (kept || (bytes > 0 && !detail::steers(point))) {
      shown.append(text, i, bytes);
    } else {
      char escape[16];
      std::snprintf(escape, sizeof(escape), point < 0x100 ? "\\x%02x" : "\\u%04x",
                    static_cast<unsigned>(point));
      shown += escape;
    }
    i += bytes > 0 ? bytes : 1;
  }
  return shown;
}

// Whether nothing in a text steers a terminal or turns its direction; lines may end.
inline bool is_plain(const std::string &text) { return printable(text, "\n\t") == text; }

}  // namespace vmamba_inference
