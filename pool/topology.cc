#include "pool/topology.h"

namespace weir::pool {

std::string_view text(HostRole role) {
    switch (role) {
        case HostRole::unknown:
            return "unknown";
        case HostRole::primary:
            return "primary";
        case HostRole::replica:
            return "replica";
    }
    return "?";
}

std::string_view text(HostState state) {
    switch (state) {
        case HostState::healthy:
            return "healthy";
        case HostState::lagging:
            return "lagging";
        case HostState::down:
            return "down";
        case HostState::draining:
            return "draining";
        case HostState::fenced:
            return "fenced";
    }
    return "?";
}

std::string_view text(HostReason reason) {
    switch (reason) {
        case HostReason::none:
            return "";
        case HostReason::not_checked:
            return "not checked yet";
        case HostReason::connect_failed:
            return "connect or login failed";
        case HostReason::connection_lost:
            return "connection lost";
        case HostReason::check_timeout:
            return "check timed out";
        case HostReason::check_failed:
            return "check failed";
        case HostReason::lag_time:
            return "lag above max_lag";
        case HostReason::lag_bytes:
            return "lag above max_lag_bytes";
        case HostReason::lag_unknown:
            return "lag unknown";
        case HostReason::replay_behind:
            return "lag has just come down";
        case HostReason::other_timeline:
            return "follows another timeline";
        case HostReason::other_system:
            return "other system identifier";
        case HostReason::old_timeline:
            return "old timeline";
        case HostReason::two_primaries:
            return "two primaries on one timeline";
        case HostReason::role_mismatch:
            return "is not what its configured role says";
        case HostReason::operator_drained:
            return "DRAIN";
        case HostReason::operator_fenced:
            return "FENCE";
        case HostReason::removed:
            return "no longer configured";
    }
    return "?";
}

std::string_view text(Knowledge knowledge) {
    switch (knowledge) {
        case Knowledge::none:
            return "none";
        case Knowledge::role:
            return "role";
        case Knowledge::positions:
            return "positions";
    }
    return "?";
}

std::string_view text(SyncState state) {
    switch (state) {
        case SyncState::unknown:
            return "";
        case SyncState::async:
            return "async";
        case SyncState::potential:
            return "potential";
        case SyncState::sync:
            return "sync";
        case SyncState::quorum:
            return "quorum";
    }
    return "?";
}

}  // namespace weir::pool
