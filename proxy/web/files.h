// The files of the status page, put into the program at build time.
#pragma once

#include <string_view>

namespace weir::proxy::web {

std::string_view status_html();  // has the markers @css@ and @js@
std::string_view status_css();
std::string_view status_js();
std::string_view chart_css();  // uPlot
std::string_view chart_js();

}  // namespace weir::proxy::web
