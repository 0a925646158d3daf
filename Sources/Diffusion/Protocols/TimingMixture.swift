import ModelSpace

/// When gradient pulses come in the acquisitions of a `ProtocolMixture`: for families whose signals depend on it.
extension ProtocolMixture {
    /// Draws an acquisition that says when its pulses come.
    public func drawTimed(using random: inout RandomSource) -> Acquisition {
        let plain = draw(using: &random)
        return plain.timed(drawTiming(largestB: plain.bValues.max()!, count: plain.count, using: &random))
    }

    /// δ and Δ − δ uniform in their ranges, on the condition that b needs no stronger gradient than there is; one pair
    /// for all volumes, or two or three that volumes take at random.
    /// - Parameter largestB: s/mm².
    func drawTiming(largestB: Double, count: Int, using random: inout RandomSource) -> [PulseTiming] {
        let pairs = random.uniform() < severalTimings ? 2 + random.index(below: 2) : 1
        let drawn = (0..<pairs).map { _ in drawPulses(largestB, &random) }
        return (0..<count).map { _ in pairs == 1 ? drawn[0] : drawn[random.index(below: pairs)] }
    }

    private func drawPulses(_ largestB: Double, _ random: inout RandomSource) -> PulseTiming {
        for _ in 0..<100 {
            let duration = random.uniform(shortestPulse, longestPulse),
                t = PulseTiming(duration: duration, separation: duration + random.uniform(shortestGap, longestGap))
            if t.gradient(bValue: largestB) * 1000 <= strongestGradient { return t }
        }
        // What asks for the weakest gradients.
        return PulseTiming(duration: longestPulse, separation: longestPulse + longestGap)
    }

    /// Why an acquisition's timing lies outside the range of this mixture, as `rangeViolations`; none where it has
    /// none.
    public func timingViolations(of acquisition: Acquisition) -> [String] {
        guard let timing = acquisition.timing else { return [] }
        func number(_ x: Double) -> String { x == x.rounded() ? String(Int(x)) : String(x) }
        var list: [String] = []
        func check(_ name: String, _ values: [Double], _ range: ClosedRange<Double>) {
            for (x, isOut, bound, word) in [
                (values.min()!, values.min()! < 0.95 * range.lowerBound, range.lowerBound, "below"),
                (values.max()!, values.max()! > 1.05 * range.upperBound, range.upperBound, "above"),
            ] where isOut {
                list.append(
                    "\(name), \(number(x)) ms, is \(word) \(number(bound)), the "
                        + "\(word == "below" ? "smallest" : "largest") trained on.")
            }
        }
        check("The duration of a gradient pulse", timing.map(\.duration), shortestPulse...longestPulse)
        check(
            "The time between gradient pulses, from one's end to the other's start",
            timing.map { $0.separation - $0.duration }, shortestGap...longestGap)
        return list
    }
}
