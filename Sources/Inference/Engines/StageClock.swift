import Synchronization
import Tensors

/// Stages of a fit whose time is told apart.
public enum FitStage: String, Codable, Sendable, CaseIterable {
    case encode, structures, draws
    case modes, importance = "importance sampling"
    case correction, chain, summary, other
}

/// One thread's processor time by stage: from each `enter` to the next.
package final class StageClock {
    package private(set) var seconds: [FitStage: Double] = [:]
    private var current: FitStage?, since = 0.0

    package init() {}

    package func enter(_ stage: FitStage?) {
        let now = Stopwatch.threadSeconds
        if let current { seconds[current, default: 0] += now - since }
        (current, since) = (stage, now)
    }
}
