import Diffusion
import Foundation
import Inference
import Volumes

/// What is to be known of a scan before it is fitted: each of its parts measured, and what is wrong with it in a sentence with a remedy.
public struct ScanCheck: Sendable {
    public struct Finding: Sendable, Equatable {
        public enum Level: String, Sendable {
            /// The fit would be wrong, or is not to be trusted.
            case problem
            /// Worth knowing; a fit is fine.
            case note
        }
        public let level: Level
        /// Which part of the scan: directions, b-values, b≈0, volumes, noise, signals, mask, protocol.
        public let topic: String
        public let text: String
    }

    public let geometry: VolumeGeometry
    public let acquisition: Acquisition
    public let maskVoxels: Int
    /// Volume of the mask, ml.
    public let maskMillilitres: Double
    /// Overlap (Dice) of the mask with a simple one made from the b≈0 images; nil where it is that one, or none could be made.
    public let maskOverlap: Double?
    public let signals: SignalSurvey
    public let volumes: VolumeSurvey
    public let orientation: OrientationTest
    /// Median σ in the image's units and where it comes from; nil where it could not be estimated.
    public let noise: (sigma: Double, source: IndependentNoise.Source)?
    /// Why the protocol lies outside of what the network was trained on; nil where that is not known.
    public let violations: [String]?
    public private(set) var findings: [Finding] = []

    public var hasProblem: Bool { findings.contains { $0.level == .problem } }

    /// Median signal of a shell over σ.
    public func snr(_ shell: VolumeSurvey.Shell) -> Double? { noise.map { shell.signal / $0.sigma } }

    /// - Parameters:
    ///   - series: every voxel of the mask.
    ///   - frame: that of the gradient table.
    ///   - simple: a mask made from the b≈0 images, to hold the mask against.
    ///   - remarks: what was to be said when the files were opened.
    public init(
        series: MaskedSeries, geometry: VolumeGeometry, acquisition: Acquisition, frame: GradientTable.Frame, simple: Mask?, violations: [String]?,
        remarks: [String] = [], threads: Int, shouldStop: @escaping @Sendable () -> Bool = { false }
    ) throws {
        let mask = series.mask
        self.geometry = geometry
        self.acquisition = acquisition
        self.violations = violations
        maskVoxels = mask.count
        maskMillilitres = Double(mask.count) * abs(geometry.affine.determinant) / 1000
        maskOverlap = simple.map { Self.dice(mask.indices, $0.indices) }
        signals = SignalSurvey(series.values, measurements: series.measurements, areIntegers: series.areIntegers)
        volumes = VolumeSurvey(signals: series.values, mask: mask, acquisition: acquisition)
        orientation = try OrientationTest(
            signals: series.values, mask: mask, acquisition: acquisition, frame: frame, threads: threads)
        let estimate = IndependentNoise.estimate(
            voxels: mask.indices, grid: geometry.spatialShape, signals: series.values, acquisition: acquisition, threads: threads,
            shouldStop: shouldStop)
        let sigmas = (estimate?.values ?? []).filter { $0 > 0 }.map { Double($0) }
        noise = sigmas.isEmpty ? nil : (ReportHistogram.quantile(sigmas, 0.5), estimate!.origin.source)
        findings = remarks.map { Finding(level: .note, topic: "input", text: $0) } + judged()
        findings = findings.filter { $0.level == .problem } + findings.filter { $0.level == .note }
    }

    private static func dice(_ a: [Int], _ b: [Int]) -> Double {
        var (i, j, both) = (0, 0, 0)
        while i < a.count, j < b.count {
            if a[i] == b[j] { both += 1 }
            let (x, y) = (a[i], b[j])
            if x <= y { i += 1 }
            if y <= x { j += 1 }
        }
        return 2 * Double(both) / Double(a.count + b.count)
    }
}
