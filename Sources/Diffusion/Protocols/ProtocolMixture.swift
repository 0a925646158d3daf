import Foundation
import ModelSpace

/// The mixture of acquisitions that a network is trained across, as a recipe states it; every field has a default.
///
/// Kinds: one shell; 2–5 shells; clinical (few directions, one shell); known protocols (ABCD, HCP 3 T and 7 T,
/// 1000/2000/3000, 4000 shells, …); scattered b-values; Cartesian grids (DSI). Then b≈0 volumes, jitter of b, repeats
/// and missing volumes.
/// - Units: s/mm².
public struct ProtocolMixture: BoundedSettings, Codable, Sendable, Equatable {
    /// Relative weights of the kinds.
    public var singleShell = 0.27, multiShell = 0.37, clinical = 0.11, known = 0.18, scattered = 0.045, grid = 0.025
    /// Range of b outside grids, and the largest b of grids.
    public var smallestB = 300.0, largestB = 6000.0, largestGridB = 11_500.0
    /// Largest number of volumes outside grids, and of grids.
    public var largestCount = 320, largestGridCount = 533
    /// Largest number of b≈0 volumes and largest b among them.
    public var largestUnweightedCount = 18, largestUnweightedB = 65.0
    /// Chances of jittered b-values, of missing volumes, of repeated directions.
    public var jitter = 0.5, missing = 0.15, repeated = 0.05
    /// Where pulses' timing matters: range of δ and of Δ − δ, ms; the strongest gradient, mT/m; the chance of several
    /// timings in an acquisition.
    public var shortestPulse = 5.0, longestPulse = 35.0, shortestGap = 5.0, longestGap = 30.0
    public var strongestGradient = 300.0, severalTimings = 0.15

    public init() {}

    public init(from decoder: any Decoder) throws {
        self.init()
        let c = try decoder.container(keyedBy: CodingKeys.self)
        func read<T: Decodable>(_ key: CodingKeys, _ target: inout T) throws {
            if let value = try c.decodeIfPresent(T.self, forKey: key) { target = value }
        }
        try read(.singleShell, &singleShell); try read(.multiShell, &multiShell); try read(.clinical, &clinical)
        try read(.known, &known); try read(.scattered, &scattered); try read(.grid, &grid)
        try read(.smallestB, &smallestB); try read(.largestB, &largestB); try read(.largestGridB, &largestGridB)
        try read(.largestCount, &largestCount); try read(.largestGridCount, &largestGridCount)
        try read(.largestUnweightedCount, &largestUnweightedCount); try read(.largestUnweightedB, &largestUnweightedB)
        try read(.jitter, &jitter); try read(.missing, &missing); try read(.repeated, &repeated)
        try read(.shortestPulse, &shortestPulse); try read(.longestPulse, &longestPulse)
        try read(.shortestGap, &shortestGap); try read(.longestGap, &longestGap)
        try read(.strongestGradient, &strongestGradient); try read(.severalTimings, &severalTimings)
    }

    public static let settings: [Setting<ProtocolMixture>] = [
        .real("singleShell", \.singleShell, 0...1000), .real("multiShell", \.multiShell, 0...1000),
        .real("clinical", \.clinical, 0...1000),
        .real("known", \.known, 0...1000), .real("scattered", \.scattered, 0...1000), .real("grid", \.grid, 0...1000),
        .real("smallestB", \.smallestB, 150...20_000), .real("largestB", \.largestB, 500...50_000),
        .real("largestGridB", \.largestGridB, 1000...50_000),
        .whole("largestCount", \.largestCount, 7...4096), .whole("largestGridCount", \.largestGridCount, 7...4096),
        .whole("largestUnweightedCount", \.largestUnweightedCount, 1...1000),
        .real("largestUnweightedB", \.largestUnweightedB, 0...Acquisition.defaultThreshold),
        .real("jitter", \.jitter, 0...1), .real("missing", \.missing, 0...1), .real("repeated", \.repeated, 0...1),
        .real("shortestPulse", \.shortestPulse, 0.1...500), .real("longestPulse", \.longestPulse, 0.1...500),
        .real("shortestGap", \.shortestGap, 0.1...5000), .real("longestGap", \.longestGap, 0.1...5000),
        .real("strongestGradient", \.strongestGradient, 1...10_000), .real("severalTimings", \.severalTimings, 0...1),
    ]
    /// Names of all fields.
    public static var keys: [String] { settings.map(\.key) }

    public var conflict: String? {
        guard singleShell + multiShell + clinical + known + scattered + grid > 0 else {
            return
                """
                every kind of acquisition has weight 0; give one of singleShell, multiShell, clinical, known, \
                scattered, grid a weight above 0
                """
        }
        guard longestPulse >= shortestPulse else {
            return "'longestPulse', \(longestPulse), is below 'shortestPulse', \(shortestPulse)"
        }
        guard longestGap >= shortestGap else {
            return "'longestGap', \(longestGap), is below 'shortestGap', \(shortestGap)"
        }
        guard largestB >= smallestB else { return "'largestB', \(largestB), is below 'smallestB', \(smallestB)" }
        if self == ProtocolMixture() { return nil }
        // `draw` proposes until the ranges accept, which a mixture at odds with them would do for ever.
        var random = RandomSource(seed: 1, stream: 0x4D495854)
        let proposals = 200,
            accepted = (0..<proposals).count { _ in rangeViolations(of: propose(using: &random).statistics).isEmpty }
        guard accepted >= proposals / 20 else {
            return
                """
                the ranges exclude nearly all acquisitions that the kinds would draw (\(proposals - accepted) of \
                \(proposals)); widen smallestB to largestB or largestCount, or choose other kinds
                """
        }
        return nil
    }

    /// Draws an acquisition; always one that `rangeViolations` accepts.
    public func draw(using random: inout RandomSource) -> Acquisition {
        for _ in 0..<1000 {
            let acquisition = propose(using: &random)
            if rangeViolations(of: acquisition.statistics).isEmpty { return acquisition }
        }
        preconditionFailure("the protocol mixture's ranges exclude everything that it draws")
    }

    /// One shell of a proposal.
    struct Shell { var b: Double, directions: [SIMD3<Double>] }

    private func propose(using random: inout RandomSource) -> Acquisition {
        let kinds = [singleShell, multiShell, clinical, known, scattered, grid]
        var pick = random.uniform(0, kinds.reduce(0, +)), kind = 0
        while kind < 5 && pick >= kinds[kind] { pick -= kinds[kind]; kind += 1 }

        var b: [Double] = [], g: [SIMD3<Double>] = [], n0 = drawUnweightedCount(&random)
        var shells: [Shell] = []
        switch kind {
        case 0:
            let u = random.uniform()
            let level =
                u < 0.5
                ? random.uniform(700, 1350)
                : u < 0.85 ? random.uniform(1350, 3100) : logUniform(smallestB, largestB, &random)
            shells = [Shell(b: tidy(level, &random), directions: set(count(6, 150, &random), &random))]
        case 1:
            shells = drawShells(&random)
        case 2:
            let n = [6, 6, 12, 15, 16, 20, 25, 30, 30, 32, 45, 60, 64, 64][random.index(below: 14)]
            shells = [Shell(b: tidy(random.uniform(650, 1550), &random), directions: set(n, &random))]
            n0 = min(n0, max(1, n / 3))
        case 3:
            shells = drawKnown(&random, unweighted: &n0)
        case 4:
            let n = count(20, 200, &random), top = logUniform(1500, largestB, &random),
                low = random.uniform(smallestB, 0.6 * top)
            g = set(n, &random)
            b = g.map { _ in random.uniform(low, top) }
        default:
            (b, g) = drawGrid(&random)
        }
        for shell in shells {
            let noise = random.uniform() < jitter ? shell.b * random.uniform(0.001, 0.015) : 0
            for v in shell.directions {
                g.append(v)
                b.append(max(0.9 * smallestB, noise > 0 ? (shell.b + noise * random.normal()).rounded() : shell.b))
            }
        }
        if kind != 5 && random.uniform() < repeated {
            let times = 2 + random.index(below: 3)
            if b.count * times <= 130 {
                b = Array(repeating: b, count: times).flatMap { $0 };
                g = Array(repeating: g, count: times).flatMap { $0 }
            }
        }
        if random.uniform() < missing && b.count > 8 {
            let keep = random.uniform(0.75, 1)
            let kept = b.indices.filter { _ in random.uniform() < keep }
            b = kept.map { b[$0] }
            g = kept.map { g[$0] }
        }
        let (zeroB, zeroG) = drawUnweighted(n0, &random)
        let all = zeroB + b
        return Acquisition(trusted: all, zeroG + g, threshold: Acquisition.defaultThreshold, unweighted: Array(0..<n0))
    }

    /// b and directions of n0 b≈0 volumes: mostly 0, sometimes 5, sometimes up to the largest.
    private func drawUnweighted(_ n0: Int, _ random: inout RandomSource) -> ([Double], [SIMD3<Double>]) {
        let u = random.uniform()
        if u < 0.75 { return (Array(repeating: 0, count: n0), Array(repeating: .zero, count: n0)) }
        let level = u < 0.88 ? min(5, largestUnweightedB) : random.uniform(0, largestUnweightedB)
        let varies = random.uniform() < 0.5
        let b = (0..<n0).map { _ in varies ? min(largestUnweightedB, max(0, level + random.uniform(-5, 5))) : level }
        return (b, b.map { _ in DirectionSets.uniform(using: &random) })
    }

    private func drawUnweightedCount(_ random: inout RandomSource) -> Int {
        let u = random.uniform()
        let n =
            u < 0.25
            ? 1
            : u < 0.5 ? 2 + random.index(below: 4) : u < 0.8 ? 5 + random.index(below: 6) : 10 + random.index(below: 9)
        return min(n, largestUnweightedCount)
    }
}
