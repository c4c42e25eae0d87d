// What `parley` ends with. Scripts rely on these numbers; stderr's words are no contract.
#pragma once

#include "base/result.h"

namespace parley::cli {

enum ExitCode : int {
  kOk = 0,
  kNegative = 1,  // not found, divergence found
  kUsage = 2,     // the request itself is wrong; nothing was written
  kCannotConnect = 3,
  kUnavailable = 4,  // nothing was written
  kUnknown = 5,      // below level or timeout: may have been written
  kConflict = 6,     // siblings where one value was asked for, sibling cap
  kOverloaded = 7,   // nothing was written
  kNotAuthorised = 8,
  kInternal = 9,  // or: the output could not be printed
  kInterrupted = 130,
};

// For an error that came back from a cluster that was reached.
inline ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument:
    case ErrorCode::TooLarge:
    case ErrorCode::BadContext:
    case ErrorCode::Unsupported:
    case ErrorCode::NotFound: return kUsage;
    case ErrorCode::Unavailable:
    case ErrorCode::WrongRing:
    case ErrorCode::Expired:
    case ErrorCode::Damaged:
    case ErrorCode::DiskFull:
    case ErrorCode::StaleCopy:
    case ErrorCode::ClockSkew:
    case ErrorCode::NotReady: return kUnavailable;
    case ErrorCode::Unknown:
    case ErrorCode::NoAnswer: return kUnknown;
    case ErrorCode::Unreachable: return kCannotConnect;
    case ErrorCode::Overloaded: return kOverloaded;
    case ErrorCode::SiblingCap: return kConflict;
    case ErrorCode::WrongCluster:
    case ErrorCode::Refused: return kNotAuthorised;
    case ErrorCode::Internal: return kInternal;
  }
  return kInternal;
}

}  // namespace parley::cli
