#include <kj/debug.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "runtime/kj_internal.h"
#include "runtime/kj_port.h"
#include "runtime/segment_guard.h"

namespace parley::runtime {

namespace {

constexpr Duration kDrainLookLeast = 1ms, kDrainLookMost = 32ms;
constexpr Duration kLagLook = 1s;
constexpr int kStallsToCatchUp = 4;

// Bytes received and not yet read; a string whose front is consumed without moving the rest.
class ReadBuffer {
 public:
  Bytes& tail() { return bytes_; }
  std::size_t size() const { return bytes_.size() - begin_; }
  std::size_t take(void* to, std::size_t most) {
    const std::size_t n = std::min(most, size());
    if (n == 0) return 0;
    std::memcpy(to, bytes_.data() + begin_, n);
    begin_ += n;
    if (begin_ == bytes_.size()) {
      clear();
    } else if (begin_ > 64_KiB && begin_ > bytes_.size() / 2) {
      bytes_.erase(0, begin_);
      begin_ = 0;
    }
    return n;
  }
  void clear() {
    begin_ = 0;
    if (bytes_.capacity() > 256_KiB) {
      bytes_ = Bytes();  // an idle connection keeps no large buffer
    } else {
      bytes_.clear();
    }
  }

 private:
  Bytes bytes_;
  std::size_t begin_ = 0;
};

class KjStream final : public kj::AsyncIoStream {
 public:
  KjStream(std::unique_ptr<Connection> connection, KjStreamLimits limits)
      : limits_(std::move(limits)),
        loop_(loop_of_kj_port()),
        connection_(std::move(connection)),
        peer_(to_text(connection_->remote())),
        gone_(kj::newPromiseAndFulfiller<void>()),
        gone_promise_(gone_.promise.fork()),
        patience_timer_(loop_),
        drain_timer_(loop_) {
    if (limits_.capnp_frames) {
      guard_.emplace(limits_.segments_most, limits_.message_bytes_most);
    }
    connection_->listen_to([this](ByteView bytes) { receive(bytes); },
                           [this](const Error& error) { peer_gone(error); });
    expect_message();
  }
  KJ_DISALLOW_COPY(KjStream);

  ~KjStream() noexcept(false) {
    if (read_ != nullptr) read_->abandon();
    if (write_ != nullptr) write_->abandon();
    tell_output(0, 0);
  }

  kj::Promise<size_t> tryRead(void* buffer, size_t least, size_t most) override {
    KJ_REQUIRE(read_ == nullptr, "one read at a time");
    const std::size_t got = withholding() ? 0 : received_.take(buffer, most);
    adjust_reading();
    if (got >= least) return got;
    if (ended_) {
      KJ_IF_MAYBE (why, read_failure_) {
        return kj::cp(*why);
      }
      return got;
    }
    return kj::newAdaptedPromise<size_t, PendingRead>(*this, static_cast<char*>(buffer), got, least,
                                                      most);
  }

  kj::Promise<void> write(const void* buffer, size_t size) override {
    return send(Bytes(static_cast<const char*>(buffer), size));
  }

  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    std::size_t size = 0;
    for (const auto& piece : pieces) size += piece.size();
    Bytes gathered;
    gathered.reserve(size);
    for (const auto& piece : pieces) gathered.append(piece.asChars().begin(), piece.size());
    return send(std::move(gathered));
  }

  kj::Promise<void> whenWriteDisconnected() override { return gone_promise_.addBranch(); }

  void shutdownWrite() override {
    drop_connection();  // which flushes
    end(nullptr);
  }

  void abortRead() override {
    received_.clear();
    discarding_ = true;
    // Whatever still comes is thrown away, so that the peer's closing is still seen.
    if (connection_ != nullptr) connection_->set_reading(true);
    finish_reading(nullptr);
  }

 private:
  // Both sides of a promise may go first: dropping the promise destroys this and leaves the stream
  // no pointer into the caller's buffer; destroying the stream fails the promise.
  class PendingRead {
   public:
    PendingRead(kj::PromiseFulfiller<size_t>& fulfiller, KjStream& stream, char* buffer,
                std::size_t filled, std::size_t least, std::size_t most)
        : fulfiller_(fulfiller),
          stream_(&stream),
          buffer_(buffer),
          filled_(filled),
          least_(least),
          most_(most) {
      stream.read_ = this;
    }
    KJ_DISALLOW_COPY(PendingRead);
    ~PendingRead() { leave(); }

    void fill() {
      filled_ += stream_->received_.take(buffer_ + filled_, most_ - filled_);
      if (filled_ >= least_) finish(nullptr);
    }
    // At the end of the stream: what there is, or why it failed.
    void finish(kj::Maybe<kj::Exception> failure) {
      leave();
      KJ_IF_MAYBE (why, failure) {
        fulfiller_.reject(kj::mv(*why));
      } else {
        fulfiller_.fulfill(kj::cp(filled_));
      }
    }
    void abandon() { finish(KJ_EXCEPTION(DISCONNECTED, "stream destroyed while reading")); }

   private:
    void leave() {
      if (stream_ != nullptr) stream_->read_ = nullptr;
      stream_ = nullptr;
    }
    kj::PromiseFulfiller<size_t>& fulfiller_;
    KjStream* stream_;
    char* buffer_;
    std::size_t filled_, least_, most_;
  };

  // A write that waits until less is unsent; its bytes are in the Connection already.
  class PendingWrite {
   public:
    PendingWrite(kj::PromiseFulfiller<void>& fulfiller, KjStream& stream)
        : fulfiller_(fulfiller), stream_(&stream) {
      stream.write_ = this;
    }
    KJ_DISALLOW_COPY(PendingWrite);
    ~PendingWrite() { leave(); }

    void finish(kj::Maybe<kj::Exception> failure) {
      leave();
      KJ_IF_MAYBE (why, failure) {
        fulfiller_.reject(kj::mv(*why));
      } else {
        fulfiller_.fulfill();
      }
    }
    void abandon() { finish(KJ_EXCEPTION(DISCONNECTED, "stream destroyed while writing")); }

   private:
    void leave() {
      if (stream_ != nullptr) stream_->write_ = nullptr;
      stream_ = nullptr;
    }
    kj::PromiseFulfiller<void>& fulfiller_;
    KjStream* stream_;
  };

  // --- reading -----------------------------------------------------------------------------------

  void receive(ByteView bytes) {
    if (discarding_ || ended_) return;
    if (guard_) {
      const Status verdict = guard_->feed(bytes, received_.tail());
      hand_over();
      if (!verdict) return refuse(verdict.error());
    } else {
      received_.tail().append(bytes);
      hand_over();
    }
    adjust_reading();
    expect_message();
  }

  bool withholding() const { return draining_ && limits_.answers_first; }

  void hand_over() {
    if (read_ != nullptr && !withholding()) read_->fill();
  }

  // Reading stops above the limit and goes on at half of it.
  void adjust_reading() {
    if (connection_ == nullptr || dead_ || discarding_) return;
    const std::size_t most = limits_.buffered_bytes_most / (reading_ ? 1 : 2);
    const bool wanted = !withholding() && received_.size() <= most;
    if (wanted == reading_) return;
    reading_ = wanted;
    connection_->set_reading(wanted);
    expect_message();
  }

  // The clock runs while the peer owes a message, its first or the rest of one that it began, and
  // nothing but the peer holds it up.
  void expect_message() {
    if (!guard_) return;
    const bool first = guard_->messages() == 0;
    const bool owed = first || !guard_->between_messages();
    if (!owed || !reading_ || discarding_ || dead_) return patience_timer_.cancel();
    const Duration most = first ? limits_.first_message_most : limits_.message_most;
    if (most <= 0s) return;
    if (patience_timer_.pending() && expected_ == guard_->messages()) return;
    expected_ = guard_->messages();
    patience_timer_.after(most, [this, most, first] { lose_patience(most, first); });
  }

  void lose_patience(Duration most, bool first) {
    // When this very process was away, the rest may be waiting in the kernel.
    if (loop_.lag() > most / 4) {
      return patience_timer_.after(kLagLook, [this, most, first] { lose_patience(most, first); });
    }
    give_up((first ? "no first message within " : "a message not whole within ") +
            std::to_string(to_millis(most)) + " ms");
  }

  void refuse(const Error& error) {
    if (limits_.on_refused) limits_.on_refused(error);
    drop_connection();
    end(KJ_EXCEPTION(FAILED, "bytes from client refused", peer_, error.message));
  }

  void give_up(const std::string& why) {
    gone_reason_ = why;
    if (limits_.on_given_up) limits_.on_given_up(Error{ErrorCode::NoAnswer, why});
    drop_connection();
    end(disconnected());
  }

  void peer_gone(const Error& error) {
    // Inside the Connection's own callback: it is dead, and destroyed with the stream.
    const bool cut = guard_ && !guard_->between_messages();
    kj::Maybe<kj::Exception> failure;
    if (cut) failure = KJ_EXCEPTION(DISCONNECTED, "stream cut within a message", peer_);
    dead_ = true;
    gone_reason_ = error.message;
    end(kj::mv(failure));
  }

  // --- writing -----------------------------------------------------------------------------------

  kj::Promise<void> send(Bytes bytes) {
    KJ_REQUIRE(write_ == nullptr, "one write at a time");
    if (connection_ == nullptr || dead_) return disconnected();
    if (bytes.empty()) return kj::READY_NOW;
    const std::size_t size = bytes.size();
    connection_->send(std::move(bytes));
    if (connection_->unsent_bytes() <= limits_.buffered_bytes_most) {
      tell_output(size, 0);
      return kj::READY_NOW;
    }
    if (std::exchange(draining_, true)) {
      unsent_at_mark_ += size;
    } else {
      mark_progress(connection_->unsent_bytes());
      behind_since_ = loop_.now();
      drain_timer_.after(0ns, [this] { look_at_drain(); });
    }
    tell_output(size, connection_->unsent_bytes());
    adjust_reading();
    if (limits_.answers_first) return kj::READY_NOW;
    return kj::newAdaptedPromise<void, PendingWrite>(*this);
  }

  void tell_output(std::size_t written, std::size_t backlog) {
    if (limits_.on_output) limits_.on_output(written, backlog);
  }

  void mark_progress(std::size_t unsent) {
    unsent_at_mark_ = unsent;
    unsent_seen_ = unsent;
    marked_at_ = loop_.now();
    drain_look_ = kDrainLookLeast;
  }

  // A Connection does not say when it has drained. Looked at only while too much is unsent: every
  // millisecond while it drains, ever more rarely while it does not.
  void look_at_drain() {
    if (connection_ == nullptr || dead_) return;
    const std::size_t unsent = connection_->unsent_bytes();
    if (unsent <= limits_.buffered_bytes_most) return end_drain();
    tell_output(0, unsent);
    if (loop_.now() - behind_since_ >= limits_.write_stall_most * kStallsToCatchUp) {
      return give_up("peer is behind with reading for too long");
    }
    if (unsent + limits_.write_progress_least <= unsent_at_mark_) {
      mark_progress(unsent);
    } else if (loop_.now() - marked_at_ >= limits_.write_stall_most) {
      return give_up("peer takes no bytes");
    }
    drain_look_ =
        unsent < unsent_seen_ ? kDrainLookLeast : std::min(drain_look_ * 2, kDrainLookMost);
    unsent_seen_ = unsent;
    drain_timer_.after(drain_look_, [this] { look_at_drain(); });
  }

  void end_drain() {
    draining_ = false;
    tell_output(0, 0);
    if (write_ != nullptr) write_->finish(nullptr);
    hand_over();
    adjust_reading();
  }

  kj::Exception disconnected() const {
    return KJ_EXCEPTION(DISCONNECTED, "connection is closed", peer_, gone_reason_);
  }

  // --- ending ------------------------------------------------------------------------------------

  // No bytes come or go from here on; what was received stays readable.
  void end(kj::Maybe<kj::Exception> failure) {
    gone_.fulfiller->fulfill();
    patience_timer_.cancel();
    drain_timer_.cancel();
    tell_output(0, 0);
    if (write_ != nullptr) write_->finish(disconnected());
    finish_reading(kj::mv(failure));
  }

  void finish_reading(kj::Maybe<kj::Exception> failure) {
    if (ended_) return;
    ended_ = true;
    KJ_IF_MAYBE (why, failure) {
      read_failure_ = kj::cp(*why);
    }
    if (read_ != nullptr) read_->finish(kj::mv(failure));
  }

  // Safe from the Connection's on_bytes.
  void drop_connection() {
    dead_ = true;
    const std::unique_ptr<Connection> dropped = std::move(connection_);
  }

  const KjStreamLimits limits_;
  Loop& loop_;
  std::unique_ptr<Connection> connection_;
  const std::string peer_;
  kj::PromiseFulfillerPair<void> gone_;
  kj::ForkedPromise<void> gone_promise_;

  std::optional<SegmentGuard> guard_;
  ReadBuffer received_;
  PendingRead* read_ = nullptr;
  bool reading_ = true;
  bool discarding_ = false;
  std::uint64_t expected_ = 0;  // the number of the message that the timer waits for
  Timer patience_timer_;
  bool ended_ = false;  // for readers
  kj::Maybe<kj::Exception> read_failure_;

  PendingWrite* write_ = nullptr;
  bool dead_ = false;  // for writers
  std::string gone_reason_ = "closed here";
  bool draining_ = false;  // too much is unsent
  std::size_t unsent_at_mark_ = 0, unsent_seen_ = 0;
  Instant marked_at_;     // when the peer had last taken write_progress_least
  Instant behind_since_;  // when it began to drain
  Duration drain_look_ = kDrainLookLeast;
  Timer drain_timer_;
};

}  // namespace

kj::Own<kj::AsyncIoStream> kj_stream(std::unique_ptr<Connection> connection,
                                     const KjStreamLimits& limits) {
  PARLEY_CHECK(connection != nullptr);
  return kj::heap<KjStream>(std::move(connection), limits);
}

}  // namespace parley::runtime
