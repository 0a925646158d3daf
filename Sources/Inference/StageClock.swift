import Synchronization
import Tensors

/// Stages of a fit whose time is told apart.
public enum FitStage: String, Codable, Sendable, CaseIterable {
    case encode, structures, draws
    case modes, importance = "importance sampling"
    case correction, chain, summary, other
}

/// One thread's processor time by stage: from each `enter` to the next.
final class StageClock {
    private(set) var seconds: [FitStage: Double] = [:]
    private var current: FitStage?, since = 0.0

    func enter(_ stage: FitStage?) {
        let now = Stopwatch.threadSeconds
        if let current { seconds[current, default: 0] += now - since }
        (current, since) = (stage, now)
    }
}
