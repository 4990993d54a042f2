// The syntax of PgBouncer's ini files, without knowledge of any key.
#pragma once

#include "conf/problem.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

struct IniEntry {
    Place place;
    std::string section;  // lower case
    std::string key;      // as written; quotes removed
    std::string value;    // without blanks around it
};

struct IniFile {
    std::vector<IniEntry> entries;
    std::vector<Problem> errors;
};

// Gives a file's text. Tests put their own files here.
using FileReader =
    std::function<bool(const std::string& path, std::string& text, std::string& wrong)>;

// Lines are "[section]", "key = value", "%include FILE", or start with ";" or "#" (comments; these
// characters mean nothing inside a line). A key of letters, digits and "_.-*" stands for itself,
// others in double quotes ("" for one). Blank lines are skipped. An included file's path is taken
// as it is (relative to the working directory, as PgBouncer does) or, if there is no such file,
// relative to the including file; its sections end with it. Includes nest up to 10 deep.
IniFile read_ini(std::string_view text, const std::string& file, const FileReader& read);

struct Pair {
    std::string key;
    std::string value;
};

struct ConnectString {
    std::vector<Pair> pairs;
    std::string wrong;  // empty: all is read
};

// "host=localhost dbname='my ''db'''": pairs between blanks, blanks around "=" allowed; a value
// that starts with ' ends at the next single ' ('' stands for one), others at a blank.
ConnectString read_connect_string(std::string_view text);

}  // namespace weir::conf
