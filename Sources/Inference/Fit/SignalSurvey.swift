import Diffusion

/// What kind of signals a scan holds, from all of its masked voxels: real-valued or magnitudes, and which measurements
/// are missing.
///
/// **Real-valued** is a scan where signals are often negative (in 5 % of a voxel's measurements, and three at least) in
/// 1 % of the voxels or more (ten, or half of them): free water alone makes up more of a brain, and noise brings its
/// signals below zero from b ≈ 1000 s/mm² on. Interpolated magnitudes are negative here and there only, beside sharp
/// edges: often so in 0.04 % of the voxels of a scan that eddy resampled, where 5 % had some negative signal.
public struct SignalSurvey: Sendable, Equatable {
    /// Voxels that are not zero throughout; those with negative signals, and with many.
    public private(set) var voxels = 0, negative = 0, oftenNegative = 0
    /// Voxels some of whose measurements are exactly zero and taken as missing, and how many measurements that is.
    public private(set) var incomplete = 0, missing = 0
    /// Volumes that are zero in all voxels.
    public private(set) var emptyVolumes: [Int] = []
    public private(set) var isRealValued = false
    private var step: Float?

    /// - Parameters:
    ///   - values: raw signals, V × M.
    ///   - measurements: M.
    ///   - areIntegers: whether the image stores integers. Images of whole numbers count as such, too.
    public init(_ values: [Float], measurements m: Int, areIntegers: Bool) {
        var withZeros: [Int] = [], isEmpty = [Bool](repeating: true, count: m), isWhole = true, least = Float.infinity
        values.withUnsafeBufferPointer { values in
            for start in stride(from: 0, to: values.count, by: m) {
                var zeros = 0, below = 0, bad = 0
                for i in 0..<m {
                    let x = values[start + i]
                    if x == 0 { zeros += 1; continue }
                    isEmpty[i] = false
                    if x < 0 { below += 1 }
                    if !x.isFinite { bad += 1; continue }
                    least = min(least, abs(x))
                    if isWhole { isWhole = x == x.rounded() }
                }
                if zeros == m { continue }
                voxels += 1
                if below > 0 { negative += 1 }
                if below >= 3 && 20 * below >= m { oftenNegative += 1 }
                if zeros > 0 && bad == 0 { withZeros.append(start) }
            }
            // A few voxels of a small mask are no evidence unless they are most of it.
            isRealValued =
                oftenNegative > 0 && 100 * oftenNegative >= voxels
                && (oftenNegative >= 10 || 2 * oftenNegative >= voxels)
            emptyVolumes = voxels > 0 ? isEmpty.indices.filter { isEmpty[$0] } : []
            step = areIntegers || isWhole ? least : nil
            let rules = self.rules()
            for start in withZeros {
                let voxel = UnsafeBufferPointer(rebasing: values[start..<start + m])
                let lacking = rules.zerosAreSignals(voxel) ? 0 : voxel.count(where: { $0 == 0 }) - emptyVolumes.count
                if lacking > 0 { incomplete += 1 }
                missing += lacking
            }
        }
    }

    /// - Parameter trained: the signals that a network was trained on.
    public func rules(trained: ClosedRange<Float>? = nil) -> SignalRules {
        var rules = SignalRules()
        (rules.step, rules.isRealValued, rules.emptyVolumes, rules.trained) = (
            step, isRealValued, emptyVolumes, trained
        )
        return rules
    }

    /// What a user ought to know before trusting the maps: a sentence or two each.
    /// - Parameter noise: the kinds of noise that the fit allows for.
    public func warnings(noise: NoiseKinds) -> [String] {
        var list: [String] = []
        if negative > 0 {
            var text = "\(negative) of \(voxels) voxels hold negative signals, which are kept as they are. "
            switch (noise, isRealValued) {
            case (.gaussian, true):
                text +=
                    """
                    They are so many that the image is taken as real-valued: Gaussian noise of zero mean in every \
                    voxel.
                    """
            case (.gaussian, false): text += "Noise is taken as Gaussian in every voxel."
            case (.either, _):
                text +=
                    """
                    Noise is taken as Gaussian in these; if the whole image is real-valued, not magnitudes, give \
                    --noise gaussian.
                    """
            }
            list.append(text)
        }
        if !emptyVolumes.isEmpty {
            let names =
                emptyVolumes.prefix(10).map(String.init).joined(separator: ", ")
                + (emptyVolumes.count > 10 ? ", …" : "")
            list.append(
                """
                \(emptyVolumes.count) of the volumes (numbers from 0: \(names)) are zero in the whole mask: they are \
                left out. Check that the series is whole.
                """
            )
        }
        if incomplete > 0 {
            list.append(
                """
                \(incomplete) of \(voxels) voxels hold exact zeros in some volumes (\(missing) measurements): taken \
                as missing, as where a volume left the field\u{20}
                """
                    + """
                    of view, and left out of these voxels' fits. If a step before cut signals off at zero, give \
                    the image from before that step.
                    """
            )
        }
        return list
    }
}
