import Files
import Foundation
import Inference
import Synchronization
import Volumes

/// Turns a finished fit into the files of its directory.
public enum FitOutputs {
    /// Which files to write.
    public struct Formats: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }

        public static let fsl = Formats(rawValue: 1), mrtrix = Formats(rawValue: 2), dipy = Formats(rawValue: 4),
            bids = Formats(rawValue: 8)
        /// `orientations.png`.
        public static let picture = Formats(rawValue: 16)
        /// Every posterior draw for MRtrix3 (`mrtrix/draws/`) and BIDS (`desc-merged`), with those formats: large.
        public static let draws = Formats(rawValue: 32)
        /// `report.html`.
        public static let report = Formats(rawValue: 64)
        /// With `.fsl`: its files at the folder's top, as bedpostX's, not in `fsl.bedpostX/`.
        public static let fslLayout = Formats(rawValue: 128)
        /// What can be written of an archive without draws (`PosteriorMetadata.hasDraws`).
        public static let ofStructures: Formats = [.bids]
        /// What a fit writes when it is not told.
        public static let standard: Formats = [.fsl, .mrtrix, .dipy, .bids, .picture, .report]
    }

    /// Writes `quality.nii.gz`, `misfit.nii.gz`, the noise (`NoiseOutputs`), the chosen formats and, last of all,
    /// `fit.json`.
    ///
    /// Each file appears whole or not at all. Images are the same, byte for byte, for any number of threads, and hold
    /// no NaN; voxels that were not fitted are 0. Memory: one image volume a thread beside the summary, and with FSL's
    /// files 72 numbers a voxel.
    /// - Parameters:
    ///   - lambda: λ of all maps and draws written; any value, whatever the fit's own.
    ///   - geometry: the grid of the image that was fitted.
    ///   - directory: created when absent.
    ///   - noise: an independent estimate for the archive's voxels, to hold the fitted noise against.
    ///   - survey: what the fit left over, for the report.
    ///   - provenance: λ, counts, grid, `noise`, finish time, peak memory and the stages `summary` and `writing`
    ///   (seconds) are filled in here.
    ///   - progress: called with work done and work in all, from one thread at a time.
    /// - Returns: the summary at λ and the provenance as written.
    /// - Throws: `ReportingError`, `VolumeError`, `OutputFolderError` where a folder cannot be made.
    @discardableResult
    public static func write(
        archive: PosteriorArchive, lambda: Double, geometry: VolumeGeometry, directory: String,
        provenance: FitProvenance,
        formats: Formats = .standard, noise: IndependentNoise? = nil, survey: ResidualSurvey? = nil, threads: Int,
        progress: @escaping @Sendable (_ done: Int, _ of: Int) -> Void = { _, _ in }
    ) throws -> (summary: PosteriorSummary, provenance: FitProvenance) {
        guard archive.metadata.grid == geometry.spatialShape else {
            throw ReportingError.gridMismatch(
                directory: archive.directory, archive: archive.metadata.grid, image: geometry.spatialShape)
        }
        guard archive.voxelCount > 0 else { throw ReportingError.noVoxels(directory: archive.directory) }
        let hasDraws = archive.metadata.hasDraws
        guard hasDraws || formats.isSubset(of: .ofStructures) else {
            throw ReportingError.noDraws(directory: archive.directory)
        }
        let clock = ContinuousClock(), start = clock.now
        let summary = PosteriorSummary(archive, lambda: lambda, threads: threads)
        let summarised = clock.now
        var provenance = provenance
        provenance.lambda = lambda
        provenance.drawLambda = archive.metadata.drawLambda
        provenance.grid = geometry.spatialShape
        provenance.affine = geometry.affine.elements
        provenance.counts = counts(summary)
        provenance.warnings += warnings(summary)
        let isNoiseKnown = archive.metadata.notes["known_noise"] != nil
        if let noise, hasDraws {
            // Of what a fit says of its noise other λ change little: it is told once.
            let isNews = provenance.noise == nil
            provenance.noise = NoiseCheck(summary, noise, isKnown: isNoiseKnown)
            provenance.noiseOrigin = noise.origin
            if isNews, let warning = provenance.noise?.warning { provenance.warnings.append(warning) }
        }
        if let residuals = provenance.residuals,
            let warning = ReportResiduals.warning(residuals, family: provenance.family),
            !provenance.warnings.contains(warning)
        {
            provenance.warnings.append(warning)
        }
        let context = OutputContext(
            archive: archive, summary: summary, mask: Mask(geometry: geometry, indices: summary.voxels),
            directory: directory, provenance: provenance,
            fslPlace: FSLOutputs.place(formats), threads: threads)
        let samples = formats.contains(.fsl) ? FSLSamples(context: context) : nil
        let page = Mutex<Report.Content?>(nil)
        var jobs = jobs(context, formats)
        if hasDraws { jobs += NoiseOutputs.jobs(context, noise, isKnown: isNoiseKnown) }
        if formats.contains(.report) {
            // Last comes only what the page says of the files' writing.
            jobs.append(
                OutputJob(path: directory + "/report.html", cost: 100) {
                    let content = Report.Content(
                        summary, archive: archive, geometry: geometry, survey: survey, threads: threads)
                    page.withLock { $0 = content }
                })
        }
        for folder in Set(jobs.map { FilePath.folder(of: $0.path) }).sorted() {
            try makeFolder(folder)
        }
        let counter = ProgressCounter(total: jobs.reduce(samples?.cost ?? 0) { $0 + $1.cost }, report: progress)
        if let without = try samples?.write(threads: threads, counter: counter), without > 0 {
            provenance.warnings.append(
                """
                \(without) of \(summary.count) voxels have no fibre in any draw and, as in fits of earlier versions, \
                no direction either: probtrackx2 stops there; fit again if tracts end too early
                """)
        }
        try OutputJob.run(jobs, threads: threads, counter: counter)
        provenance.timings["summary"] = seconds(summarised - start)
        provenance.timings["writing"] = seconds(clock.now - summarised)
        provenance.peakMemoryBytes = max(provenance.peakMemoryBytes, FitProvenance.peakMemory)
        provenance.finishedAt = ISO8601DateFormatter().string(from: Date())
        if let content = page.withLock({ $0 }) {
            try Files.write(Data(content.page(provenance, threads: threads).utf8), to: directory + "/report.html")
        }
        try provenance.write(to: directory + "/fit.json")
        return (summary, provenance)
    }

    private static func makeFolder(_ path: String) throws {
        guard mkdir(path, 0o777) != 0, errno != EEXIST else { return }
        let parent = FilePath.folder(of: path)
        guard errno == ENOENT, !parent.isEmpty, parent != path else {
            throw OutputFolderError(creating: path, code: errno)
        }
        try makeFolder(parent)
        try makeFolder(path)
    }

    private static func jobs(_ context: OutputContext, _ formats: Formats) -> [OutputJob] {
        let summary = context.summary, hasDraws = formats.contains(.draws)
        var jobs = [
            context.bytes("quality.nii.gz") { summary.quality[$0] },
            context.text("quality.json", qualitySidecar.text),
            context.map("misfit.nii.gz") { _, buffer in
                for v in buffer.indices { buffer[v] = summary.isFitted(v) ? summary.misfit[v] : 0 }
            },
        ]
        if formats.contains(.fsl) { jobs += FSLOutputs.jobs(context) }
        if formats.contains(.mrtrix) { jobs += MRtrixOutputs.jobs(context, includingDraws: hasDraws) }
        if formats.contains(.dipy) { jobs += DIPYOutputs.jobs(context) }
        if formats.contains(.bids) {
            jobs += BIDSOutputs.jobs(context, includingDraws: hasDraws) + ColourTables.jobs(context)
        }
        if formats.contains(.picture) {
            let path = context.directory + "/orientations.png"
            jobs.append(
                OutputJob(path: path, cost: 50) {
                    try Files.write(OrientationPicture.draw(summary, geometry: context.geometry).encode(), to: path)
                })
        }
        return jobs
    }

    private static var qualitySidecar: JSONValue {
        .object([
            (
                "Description",
                "Why a voxel of the mask was skipped or flagged: the sum of the bits below; 0 when all is well"
            ),
            ("Bits", .object(VoxelQuality.meanings.map { ("\($0.flag.rawValue)", .string($0.text)) })),
        ])
    }

    private static func counts(_ summary: PosteriorSummary) -> FitProvenance.Counts {
        var counts = FitProvenance.Counts()
        counts.voxels = summary.count
        counts.fitted = (0..<summary.count).count(where: summary.isFitted)
        for (flag, text) in VoxelQuality.meanings {
            counts.flagged[text] = summary.quality.count { VoxelQuality(rawValue: $0).contains(flag) }
        }
        return counts
    }

    private static func warnings(_ summary: PosteriorSummary) -> [String] {
        let poor = zip(summary.column(.effectiveDraws).indices, 0..<summary.count).count { index, v in
            summary.isFitted(v) && summary.column(.effectiveDraws)[index] < 0.2 * Float(summary.metadata.drawCount)
        }
        // Lists go as far as can matter at any λ that a fit is read at; where one ends before, its probabilities are
        // too large by what is missing.
        let unlisted = summary.column(.unlisted), far = unlisted.count { $0 > 0.01 }, most = unlisted.max() ?? 0
        // Of a family too large to look at all of it what is left is rich, and loses most as λ grows.
        let remedy =
            summary.metadata.listsEveryStructure && summary.lambda > summary.metadata.drawLambda
            ? "read it at a smaller lambda, or fit again nearer to this one" : "read it at a larger lambda"
        let short =
            far == 0
            ? []
            : [
                """
                at lambda \(summary.lambda) models that the fit left out may have more than 1 % of the probability \
                in \(far) of \(summary.count) voxels\u{20}
                """
                    + """
                    (at most \(String(format: "%.2f", most))): what is shown adds up to less than 1 by as much; \
                    \(remedy)
                    """
            ]
        guard summary.metadata.hasDraws, poor * 20 > summary.count else { return short }
        return short + [
            """
            at lambda \(summary.lambda) fewer than a fifth of the draws count in \(poor) of \(summary.count) voxels: \
            probabilities are right all the same; for smoother maps of parameters fit again with \
            --lambda \(summary.lambda)
            """
        ]
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds / 1_000_000_000_000_000) / 1000
    }
}
