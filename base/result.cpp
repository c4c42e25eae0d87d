#include "base/result.h"

namespace parley {

const char* to_text(ErrorCode code) {
  switch (code) {
    case ErrorCode::Internal: return "internal";
    case ErrorCode::InvalidArgument: return "invalid_argument";
    case ErrorCode::TooLarge: return "too_large";
    case ErrorCode::BadContext: return "bad_context";
    case ErrorCode::Unavailable: return "unavailable";
    case ErrorCode::Unknown: return "unknown";
    case ErrorCode::Unreachable: return "unreachable";
    case ErrorCode::NoAnswer: return "no_answer";
    case ErrorCode::Overloaded: return "overloaded";
    case ErrorCode::WrongRing: return "wrong_ring";
    case ErrorCode::WrongCluster: return "wrong_cluster";
    case ErrorCode::SiblingCap: return "sibling_cap";
    case ErrorCode::Expired: return "expired";
    case ErrorCode::Damaged: return "damaged";
    case ErrorCode::DiskFull: return "disk_full";
    case ErrorCode::Refused: return "refused";
    case ErrorCode::NotReady: return "not_ready";
    case ErrorCode::Unsupported: return "unsupported";
    case ErrorCode::NotFound: return "not_found";
    case ErrorCode::StaleCopy: return "stale_copy";
    case ErrorCode::ClockSkew: return "clock_skew";
  }
  return "internal";
}

}  // namespace parley
