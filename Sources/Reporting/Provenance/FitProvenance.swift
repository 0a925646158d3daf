import Diffusion
import Files
import Foundation
import Inference

/// Where a fit came from: everything needed to make it again and to judge it. The contents of `fit.json`.
public struct FitProvenance: Codable, Equatable, Sendable {
    /// What the scanner did, in b-values (s/mm²).
    public struct Acquisition: Codable, Equatable, Sendable {
        public struct Shell: Codable, Equatable, Sendable {
            public var bValue: Double, volumeCount: Int
            public init(bValue: Double, volumeCount: Int) { self.bValue = bValue; self.volumeCount = volumeCount }
        }
        /// The gradient table as FSL's two files have it, in FSL's frame of the image that was fitted.
        public struct Table: Codable, Equatable, Sendable {
            public var bvals: String, bvecs: String
            public init(bvals: String, bvecs: String) { self.bvals = bvals; self.bvecs = bvecs }
        }
        public var volumeCount: Int, baselineCount: Int, shells: [Shell]
        /// nil in fits of earlier versions.
        public var table: Table?
        /// Whether the network was trained on protocols like this one; nil when there is no network.
        public var isInTrainingRange: Bool?
        /// δ/Δ of the pulses in ms, for each volume where they differ; nil where nobody says.
        public var timing: String?

        public init(
            volumeCount: Int, baselineCount: Int, shells: [Shell], isInTrainingRange: Bool? = nil, table: Table? = nil,
            timing: String? = nil
        ) {
            self.timing = timing
            self.table = table
            self.volumeCount = volumeCount
            self.baselineCount = baselineCount
            self.shells = shells
            self.isInTrainingRange = isInTrainingRange
        }
    }

    /// Voxels in the mask, fitted among them, and under each quality flag (in words).
    public struct Counts: Codable, Equatable, Sendable {
        public var voxels = 0, fitted = 0, flagged: [String: Int] = [:]
        public init() {}
    }

    public var software = "prism-dmri"
    public var version: String
    /// The commit that the program was built from; nil where that is not known.
    public var commit: String?
    public var commandLine: [String]
    /// ISO 8601 times.
    public var startedAt: String, finishedAt = ""
    public var engine: String, family: String
    /// λ of the written maps, and λ at which the draws were made.
    public var lambda: Double, drawLambda: Double
    public var seed: UInt64, drawsPerVoxel: Int
    public var networkName: String, networkSHA256: String
    /// Input files by role (dwi, bvals, bvecs, mask).
    public var inputs: [String: String]
    /// What BIDS sidecars name as `Sources`: BIDS URIs, or paths where the input is no BIDS dataset.
    public var sources: [String]
    /// The DWI's file name without `.nii.gz`: the stem of the maps' names.
    public var sourceStem: String
    public var acquisition: Acquisition?
    /// Components of the family that were left out because nobody says when the gradients' pulses come; nil where none
    /// was.
    public var leftOut: [String]?
    public var threads: Int
    /// Seconds by stage.
    public var timings: [String: Double] = [:]
    public var peakMemoryBytes = 0
    public var warnings: [String] = []
    public var counts = Counts()
    /// Where an independent estimate of the noise comes from, and what it says of the fitted noise; nil when there is
    /// none.
    public var noiseOrigin: IndependentNoise.Origin?, noise: NoiseCheck?
    /// Noise that the fit took as known: where it comes from, in how many of the fitted voxels, and in how many it was
    /// fitted for want of a value; nil where it was fitted in all.
    public struct KnownNoise: Codable, Equatable, Sendable {
        public var source: IndependentNoise.Source, voxels: Int, without: Int

        public init(source: IndependentNoise.Source, voxels: Int, without: Int) {
            self.source = source
            self.voxels = voxels
            self.without = without
        }
    }
    public var knownNoise: KnownNoise?
    /// Whether the gradient directions point along the scan's fibres; nil where that was not asked.
    public var directions: DirectionCheck?
    /// How gradients deviate in each voxel, which the fit took in; nil where the table holds for all.
    public var gradientDeviation: GradientDeviation.Size?
    /// What the fit leaves over by shell, at the λ of the draws; nil where the scan was not at hand.
    public var residuals: ShellResiduals?
    /// What the fit's folder keeps of the posterior; nil is all of it.
    public var kept: KeptPosterior?
    /// Image size, and voxel → scanner affine (16 numbers, row after row), so that the fit can be read again without
    /// the DWI.
    public var grid: [Int] = [], affine: [Double] = []

    public init(
        version: String, commandLine: [String], startedAt: String, engine: String, family: String, lambda: Double,
        drawLambda: Double, seed: UInt64,
        drawsPerVoxel: Int, networkName: String = "", networkSHA256: String = "", inputs: [String: String] = [:],
        sources: [String] = [],
        sourceStem: String, acquisition: Acquisition? = nil, threads: Int
    ) {
        self.version = version
        self.commandLine = commandLine
        self.startedAt = startedAt
        self.engine = engine
        self.family = family
        self.lambda = lambda
        self.drawLambda = drawLambda
        self.seed = seed
        self.drawsPerVoxel = drawsPerVoxel
        self.networkName = networkName
        self.networkSHA256 = networkSHA256
        self.inputs = inputs
        self.sources = sources
        self.sourceStem = sourceStem
        self.acquisition = acquisition
        self.threads = threads
    }

    /// For the 79 characters of a NIfTI header's description.
    var shortDescription: String { "\(software) \(version) \(family) lambda=\(lambda)" }

    /// Writes a `fit.json`; numbers that are not finite become texts, as JSON has no name for them.
    public func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        try Files.write(encoder.encode(self) + Data("\n".utf8), to: path)
    }

    /// The largest resident memory of this process so far, bytes.
    public static var peakMemory: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }
}
