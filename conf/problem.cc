#include "conf/problem.h"

namespace weir::conf {

std::string Problem::to_string() const {
    std::string line = place.file;
    if (place.line > 0) line += ':' + std::to_string(place.line);
    if (!line.empty()) line += ": ";
    if (!key.empty()) line += key + ": ";
    return line + text;
}

}  // namespace weir::conf
