import Diffusion
import Foundation
import Inference
import Volumes

/// What is to be known of a scan before it is fitted: each of its parts measured, and what is wrong with it in a
/// sentence with a remedy.
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
    /// The mask held against a simple one made from the b≈0 images: the share of it that lies outside and is dark at
    /// b≈0, as air is, and the share of the simple one that it leaves out; nil where it is that one, or none could be
    /// made.
    public let maskPlace: (air: Double, missed: Double)?
    public let signals: SignalSurvey
    public let volumes: VolumeSurvey
    public let orientation: OrientationTest
    /// Median σ in the image's units and where it comes from; nil where it could not be estimated.
    public let noise: (sigma: Double, source: IndependentNoise.Source)?
    /// The family of models that a fit would be of.
    public let family: String
    /// Why the protocol lies outside of what its network was trained on; nil where that is not known.
    public let violations: [String]?
    /// Components that the family has where the timing of the gradient pulses is known.
    public let timed: [String]
    public private(set) var findings: [Finding] = []

    public var hasProblem: Bool { findings.contains { $0.level == .problem } }

    /// Median signal of a shell over σ.
    public func snr(_ shell: VolumeSurvey.Shell) -> Double? { noise.map { shell.signal / $0.sigma } }

    /// - Parameters:
    ///   - series: every voxel of the mask.
    ///   - frame: that of the gradient table.
    ///   - simple: a mask made from the b≈0 images, to hold the mask against.
    ///   - timed: components of the family that depend on the timing of the gradient pulses.
    ///   - remarks: what was to be said when the files were opened.
    public init(
        series: MaskedSeries, geometry: VolumeGeometry, acquisition: Acquisition, frame: GradientTable.Frame,
        simple: Mask?, family: String, violations: [String]?, timed: [String] = [],
        remarks: [String] = [], threads: Int, shouldStop: @escaping @Sendable () -> Bool = { false }
    ) throws {
        let mask = series.mask
        self.geometry = geometry
        self.acquisition = acquisition
        (self.family, self.violations, self.timed) = (family, violations, timed)
        maskVoxels = mask.count
        maskMillilitres = Double(mask.count) * abs(geometry.affine.determinant) / 1000
        maskPlace = simple.map { Self.place(series, acquisition, simple: $0) }
        signals = SignalSurvey(series.values, measurements: series.measurements, areIntegers: series.areIntegers)
        volumes = VolumeSurvey(signals: series.values, mask: mask, acquisition: acquisition)
        orientation = try OrientationTest(
            signals: series.values, mask: mask, acquisition: acquisition, frame: frame, threads: threads)
        let estimate = IndependentNoise.estimate(
            voxels: mask.indices, grid: geometry.spatialShape, signals: series.values, acquisition: acquisition,
            threads: threads,
            shouldStop: shouldStop)
        let sigmas = (estimate?.values ?? []).filter { $0 > 0 }.map { Double($0) }
        noise = sigmas.isEmpty ? nil : (ReportHistogram.quantile(sigmas, 0.5), estimate!.origin.source)
        findings = remarks.map { Finding(level: .note, topic: "input", text: $0) } + judged()
        findings = findings.filter { $0.level == .problem } + findings.filter { $0.level == .note }
    }

    private static func place(_ series: MaskedSeries, _ a: Acquisition, simple: Mask) -> (air: Double, missed: Double) {
        let m = series.measurements, inside = Set(simple.indices)
        let bright = (0..<series.count).map { v in
            a.unweightedIndices.reduce(0) { $0 + Double(series.values[v * m + $1]) } / Double(a.unweightedCount)
        }
        let shared = (0..<series.count).filter { inside.contains(series.mask.indices[$0]) }
        let usual = ReportHistogram.quantile(shared.map { bright[$0] }, 0.5)
        let air = (0..<series.count).count { !inside.contains(series.mask.indices[$0]) && !(bright[$0] > 0.2 * usual) }
        return (Double(air) / Double(series.count), 1 - Double(shared.count) / Double(simple.count))
    }
}
