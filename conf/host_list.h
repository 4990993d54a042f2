// The hosts of a cluster as text: "db1:5432, [::1]:5433, /run/postgresql".
#pragma once

#include "conf/value.h"

#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

// One host: a name, address or directory of a Unix socket, with ":PORT" behind it if it is not
// 5432. An IPv6 address with a port is in brackets; without one it may be. `wrong` without the
// allowed values.
Read<HostSettings> read_host(std::string_view text);

// Hosts between commas; empty items are left out.
Read<std::vector<HostSettings>> read_host_list(std::string_view text);

// "db1:5432, [::1]:5433": always with the port; read_host_list reads host and port back, unless a
// host is empty.
std::string host_list_text(const std::vector<HostSettings>& hosts);

// As a TOML value: an array of texts if these say all, else of inline tables.
std::string host_list_toml(const std::vector<HostSettings>& hosts);

}  // namespace weir::conf
