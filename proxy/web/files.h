// The files of the status page, and others that are put into the program at build time.
#pragma once

#include <string_view>

namespace weir::proxy::web {

std::string_view status_html();  // has the markers @css@ and @js@
std::string_view status_css();
std::string_view status_js();
std::string_view chart_css();  // uPlot
std::string_view chart_js();

// Alerts and panels, for the reference: conf/monitoring/generate.py's.
std::string_view monitoring_md();

}  // namespace weir::proxy::web
