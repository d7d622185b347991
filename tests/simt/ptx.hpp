// What a driver reads in PTX before it compiles it: the version, the target, and of each kernel its parameters, its
// static shared memory and the threads that it is compiled for.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace standin {

struct Entry {
    std::vector<size_t> parameters; // bytes of each
    size_t shared = 0;              // bytes
    size_t most_threads = 1024;
};

struct Ptx {
    int version = 0; // 87 for 8.7
    int target = 0;  // 90 for sm_90
    std::map<std::string, Entry> entries;

    static std::optional<Ptx> parse(const std::string &text);
};

/// Words and punctuation, one after the other; empty at the end.
class Tokens {
  public:
    explicit Tokens(const std::string &text) : text(text) { next(); }
    const std::string &now() const { return token; }
    bool done() const { return token.empty(); }

    const std::string &next() {
        const auto from = text.find_first_not_of(SPACE, at);
        const bool mark = from != text.npos && MARKS.find(text[from]) != MARKS.npos;
        const auto to = from == text.npos ? from : mark ? from + 1 : text.find_first_of(MARKS + SPACE, from);
        token = from == text.npos ? "" : text.substr(from, to - from);
        at = std::min(to, text.size());
        return token;
    }

    /// The first character of the token that follows.
    char peek() const {
        const auto from = text.find_first_not_of(SPACE, at);
        return from == text.npos ? 0 : text[from];
    }

    /// The number that follows; 0 if it is none.
    int number() { return std::atoi(next().c_str()); }

  private:
    const std::string MARKS = "(),;[]{}", SPACE = " \t\r\n";
    const std::string &text;
    size_t at = 0;
    std::string token;
};

/// `.param .u64 .ptr .align 1 x, .param .align 8 .b8 y[24])`
inline void parse_parameters(Tokens &tokens, Entry &entry) {
    while (!tokens.done() && tokens.now() != ")") {
        const std::string &word = tokens.next();
        if (word == ".param") entry.parameters.push_back(0);
        if (word == ".align") tokens.next();
        if (entry.parameters.empty()) continue;
        size_t &size = entry.parameters.back();
        if (word[0] == '.' && std::string("busf").find(word[1]) != std::string::npos && std::isdigit(word[2]))
            size = size_t(std::atoi(word.c_str() + 2) / 8);
        if (word == "[") size *= size_t(tokens.number());
    }
}

/// `.shared .align 4 .b8 part[128];`
inline size_t parse_shared(Tokens &tokens) {
    if (tokens.next() != ".align") return 0; // an instruction's
    while (tokens.next() != "[" && tokens.now() != ";" && !tokens.done()) continue;
    return tokens.now() == "[" ? size_t(tokens.number()) : 0;
}

/// `.maxntid 256, 1, 1`
inline size_t parse_threads(Tokens &tokens) {
    size_t threads = size_t(tokens.number());
    while (tokens.peek() == ',') {
        tokens.next();
        threads *= size_t(tokens.number());
    }
    return threads;
}

inline std::optional<Ptx> Ptx::parse(const std::string &text) {
    Ptx ptx;
    Entry *entry = nullptr;
    int major = 0, minor = 0;
    for (Tokens tokens(text); !tokens.done(); tokens.next()) {
        const std::string &word = tokens.now();
        if (word == ".version") {
            std::sscanf(tokens.next().c_str(), "%d.%d", &major, &minor);
        } else if (word == ".target") {
            std::sscanf(tokens.next().c_str(), "sm_%d", &ptx.target);
        } else if (word == ".entry") {
            entry = &ptx.entries[tokens.next()];
            parse_parameters(tokens, *entry);
        } else if (entry && word == ".maxntid") {
            entry->most_threads = parse_threads(tokens);
        } else if (entry && word == ".shared") {
            entry->shared += parse_shared(tokens);
        }
    }
    ptx.version = 10 * major + minor;
    if (!ptx.version || !ptx.target) return {};
    return ptx;
}

/// The newest PTX that a driver understands: both by the CUDA that they came with.
inline int ptx_of_driver(int version) {
    const int major = version / 1000, minor = version % 1000 / 10;
    if (major < 12) return 70 + (major == 11 ? minor : 0);
    if (major > 12) return 90 + minor;
    return 80 + minor - (minor > 5); // 12.6 brought nothing new
}

} // namespace standin
