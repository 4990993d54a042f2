// The reference of settings, metrics, console, JSON API, alerts and panels, as Markdown, made of
// the tables that the program works by.
#pragma once

#include <string>

namespace weir::proxy {

// Never out of date: what is not in it does not exist.
std::string reference_markdown();

}  // namespace weir::proxy
