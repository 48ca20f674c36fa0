#pragma once

#include <chrono>

/// The library's times, in one place, since most of them are about each other.
///
/// When is a result shown? Each result that is shown for itself costs a wake-up, ten times the work that is done in it;
/// so short ones are shown together, and nothing that has finished waits longer than about `kShownWithin`:
///
// clang-format off
///     who waits        on what                                  where                          how long at most
///     worker           results of fixed size gather in one      Worker::begin_item             kShownWithin after the last
///                      frame, shown with the next item                                         frame, or what the chunk says
///     the chunk says   chunks of the scheduler's own size are   TaskDispatcher (hold_back)     twice a chunk, kHeldBackAtMost
///                      shown whole
///     worker           the end of a short chunk waits for the   Worker::run_chunk              one more chunk: kShortFrom to
///                      next one's, if that is at hand                                          kShortUpTo
///     host             a worker went on to an item that turns   WorkerHost::collect_unpublished            looks every kLookFirst; in vain:
///                      out long: takes its results                                             rarer, kLookAtMost
///     host             sleeps over short chunks of a worker     HostEndpoint::defer_wakeups         three of them
///                      that has the next one
///     agent            while rank 0 is busy: one message with     Agent::may_wait                until rank 0 has answered,
///                      results under way                                                         kGatheredWithin
///     sleeper's alarm  is set by leaps                          base::roughly                  kAlarmSlack
// clang-format on
///
/// So a future's result is seen at once when somebody waits for it, nothing is behind it and rank 0 has time, and
/// within a few milliseconds otherwise.
namespace rankpool::pace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// -- results
inline constexpr nanoseconds kShownWithin = milliseconds(2);
/// Begin and end of items, where somebody watches them, are told so much later.
inline constexpr nanoseconds kTimesShownWithin = milliseconds(100);
/// How much memory it has costs a worker tens of microseconds to know: there it looks so often at most.
inline constexpr nanoseconds kMemoryToldEvery = milliseconds(20);
/// A chunk that lasts so long may end unheard while the next is at hand. A shorter one would not last until more have
/// come, and a longer one is worth a wake-up.
inline constexpr nanoseconds kShortFrom = microseconds(60);
inline constexpr nanoseconds kShortUpTo = kShownWithin;
/// A host looks for results that were not shown so often at first, and four times as seldom after each look in vain.
inline constexpr milliseconds kLookFirst{2};
inline constexpr milliseconds kLookAtMost{64};
inline constexpr nanoseconds kHeldBackAtMost = seconds(10);
/// What is not due on the dot may be so late, so that alarms are set less often.
inline constexpr nanoseconds kAlarmSlack = milliseconds(2);

static_assert(kLookFirst == kShownWithin && kAlarmSlack <= kShownWithin);
static_assert(kLookAtMost % (4 * kLookFirst) == milliseconds(0));

// -- chunks
/// What handing a chunk to a worker and hearing of its end costs. Measured as 3.5 µs within a node; a network's is
/// higher, but look-ahead hides it, and too long a chunk costs more than too short a one.
inline constexpr nanoseconds kRoundTrip = microseconds(5);
/// Rank 0 needs about so long for each task that goes alone ...
inline constexpr nanoseconds kRankZeroForTask{200};
/// ... and up to ten microseconds for a chunk that comes and goes in messages of its own, the wake-ups of sleepers
/// included (docs/scaling.md). With thousands of workers it could not keep up if each had one more often than once in
/// this times their number: chunks may then last longer than 50 round trips.
inline constexpr nanoseconds kRankZeroForChunk = microseconds(16);
/// Single chunks that are handed ahead last so long together: it covers a slow round trip.
inline constexpr nanoseconds kAhead = microseconds(100);
/// So do batches of short chunks. The contract: less than a millisecond.
inline constexpr nanoseconds kAheadInBatches = microseconds(900);
/// Two chunks are ahead of a worker that tells of two at a time, one in any case up to kLong: a round trip is nothing
/// to what is longer.
inline constexpr nanoseconds kTwoAheadUpTo = kShortUpTo;
inline constexpr nanoseconds kLong = milliseconds(10);
/// Chunks up to here are many to a wake-up: a pool keeps fewer of them back for workers that may fall idle.
inline constexpr nanoseconds kTogetherUpTo = milliseconds(1);
/// A measured batch of few chunks counts only if it took at least so long.
inline constexpr nanoseconds kTelling = microseconds(20);
/// Where workers share cores, so long a pool waits for what the first items of a work tell of the rest.
inline constexpr nanoseconds kProbing = milliseconds(1);

static_assert(kAheadInBatches < milliseconds(1));
static_assert(kRoundTrip < kAhead && kAhead < kAheadInBatches && kTogetherUpTo < kTwoAheadUpTo &&
              kTwoAheadUpTo < kLong);

// -- waiting
/// Through a round trip of some ten microseconds; a longer one while a core has no worker at work: values take their
/// time to be encoded, decoded and freed.
inline constexpr nanoseconds kSpin = microseconds(50);
inline constexpr nanoseconds kLongSpin = 3 * kSpin;
/// A little longer than a worker's host needs to answer.
inline constexpr microseconds kWorkerSpin{20};
/// So long it looks where it does not spin.
inline constexpr nanoseconds kGlance = microseconds(2);
/// A thread that waits for results would do the engine's work: so long it looks whether the engine has nothing to do,
/// and after so long a pause again if it always had.
inline constexpr nanoseconds kVolunteer = microseconds(20);
inline constexpr nanoseconds kVolunteerAgain = milliseconds(50);
/// After such a vain attempt the engine sleeps for so long whenever it has nothing to do, so that the next one
/// succeeds.
inline constexpr nanoseconds kVolunteered = milliseconds(1);
/// Gaps up to here promise that spinning is worth it; without such, it is tried so often.
inline constexpr nanoseconds kShortGap = kLongSpin;
inline constexpr nanoseconds kTrySpinEvery = milliseconds(50);
/// What is due so soon is not slept over: sleeping ends by milliseconds.
inline constexpr microseconds kSoon{200};
/// So often lifelines are looked at while there is other work: a system call each time.
inline constexpr microseconds kLookAtLifelines{100};
/// So soon a sleeper looks again whose bytes wait for room: nobody rings for that.
inline constexpr milliseconds kRoomLook{1};

/// Nothing of a broadcast comes from another agent for so long: rank 0 is asked for another source. Twice, three times
/// as long the further down a receiver is: the first that asks helps all below it.
inline constexpr seconds kBlobPatience{1};
/// An agent that gets a broadcast from another, or gives one, cannot be woken by that: it looks every kRelayLook. It
/// does not sleep at all when something has moved within kRelayWait, or within kRelayRest if MPI has something under
/// way which only looking moves on.
inline constexpr microseconds kRelayLook{250};
inline constexpr microseconds kRelayWait{250};
inline constexpr milliseconds kRelayRest{10};

static_assert(kRelayWait < kRelayRest && kRelayRest < kBlobPatience);
static_assert(kWorkerSpin < kSpin && kGlance < kWorkerSpin && kSpin < kTrySpinEvery);

// -- messages while rank 0 is busy (base/gathering.hpp)
/// Over about so long it is judged whether rank 0 is.
inline constexpr nanoseconds kLoadMemory = milliseconds(1);
/// So soon an answer is expected until some have been measured.
inline constexpr nanoseconds kAnswerAtFirst = microseconds(200);
/// Results leave their node after this at the latest, whether rank 0 has answered or not; it needs so long where ten
/// thousand nodes keep it busy, and answers long before where it is not.
inline constexpr nanoseconds kGatheredWithin = milliseconds(50);
/// An agent that waits for an answer looks so often, and asks to be rung once none has come for so long.
inline constexpr nanoseconds kLookForAnswer = microseconds(50);
inline constexpr nanoseconds kLookForAnswerAtMost = milliseconds(2);
inline constexpr nanoseconds kAnswersCease = milliseconds(10);

static_assert(kLookForAnswer < kAnswerAtFirst && kLookForAnswerAtMost < kAnswersCease);

// -- the shared state
/// How long one client may have a lock again and again while others wait: a hand-over costs a change of processes.
inline constexpr nanoseconds kLockRun = milliseconds(2);
/// How long a lock is kept for the client that gave it back: what it needs to ask again from another rank.
inline constexpr nanoseconds kLockKept = microseconds(100);

/// A lock on lease that its worker has not taken for so long is passed on to who waits, and one that was held for
/// longer than a short section at once: a hand-over costs about as much.
inline constexpr nanoseconds kLeaseIdle = microseconds(20);
inline constexpr nanoseconds kLongSection = microseconds(50);
/// While somebody waits rank 0 looks so soon at how the lease stands, and four times as late after each look.
inline constexpr nanoseconds kLookAtLease = microseconds(50);

static_assert(kLockKept < kLockRun && kLookAtLease < kLockRun);

// -- watching
/// How long the engine bears an observer that takes no events (its disk hangs) before they are dropped.
inline constexpr seconds kWatcherStuck{1};
/// While events come, the observer reads them so often: a wake-up for each would cost the engine more than all else.
inline constexpr milliseconds kReadEvents{20};
/// How long a thread that has all its results waits for the last line about them.
inline constexpr milliseconds kLastLine{500};
/// A job that is killed loses no more than this of its trace.
inline constexpr milliseconds kFlushTrace{500};
/// So often progress is drawn anew on a terminal.
inline constexpr milliseconds kDrawProgress{100};

// -- beginning and end
/// How long rank 0 may take to invite a rank after MPI_Init, and ranks to greet.
inline constexpr seconds kAssembly{60};
/// One address of rank 0 may take so long to answer; nodes of a cluster answer in far less. And so long a connection
/// may take to show its token.
inline constexpr seconds kConnect{2};
inline constexpr seconds kHandshake{2};
/// How long processes that were told to end may take before they are killed. Closing is promised to last 2 s at most.
inline constexpr nanoseconds kForcedStop = seconds(1);
/// What a program that is told to end has left, from the breaking of its futures to the signal: launchers wait a second
/// or two between SIGTERM and SIGKILL.
inline constexpr milliseconds kStopGrace{1000};
/// What is under way to agents may take so long to leave at the end.
inline constexpr seconds kFarewell{2};

static_assert(kForcedStop < seconds(2) && kStopGrace <= seconds(1));
static_assert(kConnect < kAssembly && kHandshake < kAssembly);

}  // namespace rankpool::pace
