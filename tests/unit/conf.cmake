# Unit tests of conf/.
weir_unit_test(conf
    conf_hosts_test.cc
    conf_ini_test.cc
    conf_load_test.cc
    conf_machine_test.cc
    conf_reload_test.cc
    conf_settings_test.cc
    conf_show_test.cc
    conf_toml_test.cc
    conf_userlist_test.cc
    conf_validate_test.cc
    conf_value_test.cc
)
target_compile_definitions(test_conf PRIVATE WEIR_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
