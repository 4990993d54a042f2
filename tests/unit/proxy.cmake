# Unit tests of proxy/.
weir_unit_test(proxy
    proxy_authenticator_test.cc
    proxy_client_login_test.cc
    proxy_listener_test.cc
    support/certificates.cc
)
