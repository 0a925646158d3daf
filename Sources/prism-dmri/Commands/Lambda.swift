import ArgumentParser
import CommandLineSupport
import Diffusion
import Foundation
import Inference
import Networks
import Reporting
import Tensors
import Volumes

struct Lambda: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Which λ a scan supports: what two halves of its volumes, or two scans, agree on.",
        usage: "prism-dmri lambda <fit-or-image> [options]",
        discussion: Manual.page(
            """
            The volumes are split into two halves within each shell, directions spread evenly in both; some voxels of \
            each half are fitted, and read at λ from 0 to 3. Printed is a tab-separated table: fibres called a voxel, \
            the share of them found again within 20° by the other half, net fibres (found again less not found), \
            agreement of their number (share, Cohen's kappa), and the mean log density of volumes that the fit has not \
            seen; losses against the best λ with standard errors.

            Recommended, of the λ at which net fibres are no fewer than at the best within two standard errors, is the \
            one that foretells unseen volumes best. Where λ = 0 foretells them best, the family lacks something of the \
            tissue and buys any structure that foretells something: then the one nearest to the default. A folder of a \
            finished fit stands for its \
            scan and options, which \
            must still be where they were. Half the volumes tell less than all: for the whole scan the λ is careful.
            """,
            examples: [
                ("of a scan that was fitted", "prism-dmri lambda fit"),
                ("before the fit", "prism-dmri lambda dwi.nii.gz --mask mask.nii.gz --svg l.svg"),
                ("two scans of one head on one grid, as well", "prism-dmri lambda fit1 --repeat fit2"),
            ],
            references: [
                "Predictive densities: Vehtari et al. 2017, Stat Comput 27:1413, doi:10.1007/s11222-016-9696-4",
                "Halves of directions: Jones et al. 1999, Magn Reson Med 42:515",
            ]))

    struct Asked: ParsableArguments {
        @Option(help: "Finished fit of another scan on the same grid, of the same family: agreement with it, too.")
        var `repeat`: String?
        @Option(help: "Voxels to fit, spread evenly over the mask.") var voxels: Int = 3000
    }

    struct Model: ParsableArguments {
        @Option(help: FamilyChoice.help) var family: String?
        @Option(
            help: "Speed against accuracy: \(PrismPreset.allCases.map(\.rawValue).joined(separator: ", ")) (fast).")
        var preset: PrismPreset?
        @Option(help: "Trained network (default: the one built in).", completion: .file()) var network: String?
        @Option(help: NoiseChoice.help) var noise: NoiseChoice = .auto

        var isGiven: Bool { family != nil || preset != nil || network != nil || noise != .auto }
    }

    struct Output: ParsableArguments {
        @Flag(help: "Print JSON.") var json = false
        @Option(help: "Picture to write (.svg).", completion: .file()) var svg: String?
        @Flag(help: "Replace a picture already there.") var force = false
    }

    struct Running: ParsableArguments {
        @Option(help: "Seed of all random numbers.") var seed: UInt64 = 1
        @OptionGroup var threads: ThreadOptions
        @OptionGroup var talk: TalkOptions
    }

    @OptionGroup(title: "Input") var input: DiffusionInput
    @OptionGroup(title: "What is asked") var asked: Asked
    @OptionGroup(title: "Model, of a scan that is not fitted yet") var model: Model
    @OptionGroup(title: "Output") var output: Output
    @OptionGroup(title: "Running") var running: Running

    func validate() throws {
        guard (20...10_000_000).contains(asked.voxels) else {
            throw ValidationError("--voxels must lie between 20 and 10000000.")
        }
        if let svg = output.svg, !svg.hasSuffix(".svg") { throw ValidationError("--svg must end in .svg.") }
        if output.force && output.svg == nil { throw ValidationError("--force goes with --svg.") }
    }

    /// Whether a finished fit was named.
    private var isFit: Bool { FileManager.default.fileExists(atPath: input.image + "/fit.json") }

    func run() throws {
        Blas.prepare()
        if isFit, model.isGiven || input.bvals != nil || input.bvecs != nil || input.grad != nil || input.mask != nil {
            throw ValidationError("A finished fit says itself what was read and which model was fitted.")
        }
        if asked.repeat != nil, !isFit {
            throw ValidationError("--repeat compares two finished fits: name the other one as well.")
        }
        let target = try output.svg.map {
            try OutputFile($0, kind: .plot, force: output.force, inputs: input.allFiles)
        }
        let finished = isFit ? try FinishedFit(folder: input.image) : nil
        let scratch = try Scratch()
        defer { scratch.remove() }
        Interrupt.whenStopped(say: { "Stopped" }, cleanUp: { scratch.remove() })
        var parts: [LambdaReport.Part] = [], family = ""
        do {
            let repeated = try asked.repeat.map { try study(finished!, FinishedFit(folder: $0), scratch) }
            let fit = try finished.map { try command(of: $0) } ?? command(), halves = try study(fit, finished, scratch)
            parts.append(halves.part)
            family = halves.family
            if let repeated { parts.append(repeated) }
        } catch is Stopped { throw StudyInterrupted() }
        let report = LambdaReport(parts, family: family, fitted: finished?.provenance.lambda)
        for text in report.warnings { Terminal.note("warning: " + text) }
        try target?.write(LambdaPlot.svg(parts[0].study, title: "\(family), \(parts[0].words)"))
        print(output.json ? report.json.text : report.text, terminator: "")
    }
}

extension Lambda {
    /// The fit that is asked about, of a scan alone.
    private func command() throws -> Fit {
        var fit = try Fit.parse([input.image, "--out", "unused"])
        fit.input = input
        (fit.model.family, fit.model.network, fit.model.noise) = (model.family, model.network, model.noise)
        fit.model.preset = model.preset ?? .fast
        return running(fit)
    }

    private func running(_ fit: Fit) -> Fit {
        var fit = fit
        (fit.running.seed, fit.running.threads, fit.running.talk) = (running.seed, running.threads, running.talk)
        return fit
    }

    /// The command that made a finished fit.
    private func command(of finished: FinishedFit) throws -> Fit {
        let line = finished.provenance.commandLine
        guard line.count > 2, line[1] == "fit",
            var fit = try? Fit.parse(Habits.joinNegativeValues(Array(line.dropFirst(2))))
        else { throw LambdaFailure.noCommand(fit: input.image) }
        guard fit.model.engine != .mcmc else { throw LambdaFailure.chain(fit: input.image) }
        guard FileManager.default.fileExists(atPath: fit.input.image) else {
            throw LambdaFailure.noScan(fit: input.image, scan: fit.input.image)
        }
        // Where the command did not say, the fit does.
        if fit.model.network == nil { fit.model.family = fit.model.family ?? finished.provenance.family }
        return running(fit)
    }

    /// Fits both halves of some voxels.
    private func study(
        _ command: Fit, _ finished: FinishedFit?, _ scratch: Scratch
    ) throws -> (part: LambdaReport.Part, family: String) {
        let fit = try PreparedFit(command)
        if let finished, finished.archive.metadata.notes["dwi_digest"] != fit.notes["dwi_digest"] {
            throw LambdaFailure.otherScan(fit: input.image, scan: command.input.dwi)
        }
        guard let halves = VolumeHalves(fit.acquisition) else {
            throw LambdaFailure.tooFew(scan: command.input.dwi, volumes: fit.acquisition.count)
        }
        let count = min(asked.voxels, fit.series.count), ranks = (0..<count).map { $0 * fit.series.count / count }
        let archives = try (0..<2).map { k in try fitHalf(k, of: fit, halves, ranks, scratch) }
        let held = halves.heldOut.map {
            LambdaStudy.HeldOut(
                acquisition: fit.acquisition.taking($0), deviation: fit.deviation?.selecting(ranks),
                signals: fit.signals(ranks, $0))
        }
        let bar = ProgressLine(
            "comparing", unit: "steps", total: LambdaStudy.steps(of: archives[0].metadata, halves: true),
            quiet: running.talk.quiet)
        guard
            let study = try Interrupt.polled({
                try LambdaStudy(
                    (archives[0], archives[1]), family: fit.family.family, heldOut: held,
                    threads: fit.options.threads, progress: { bar.update($0) },
                    shouldStop: { Interrupt.requested })
            })
        else { throw NothingToFit(path: command.input.dwi) }
        let words = "halves of \(halves.kept[0].count) and \(halves.kept[1].count) volumes"
        let directions = halves.kept.map { fit.acquisition.taking($0).statistics.directionCount }.min()!
        return (
            LambdaReport.Part(name: "halves", words: words, study: study, directions: directions),
            fit.family.family.name
        )
    }

    private func fitHalf(
        _ k: Int, of fit: PreparedFit, _ halves: VolumeHalves, _ ranks: [Int], _ scratch: Scratch
    ) throws -> PosteriorArchive {
        let half = fit.acquisition.taking(halves.kept[k]), folder = try scratch.folder("half\(k)")
        var options = fit.options
        options.rules.emptyVolumes = halves.kept[k].indices.filter {
            fit.options.rules.emptyVolumes.contains(halves.kept[k][$0])
        }
        let fitter = FitEngine(
            recipe: fit.recipe.adapted(to: half, noise: fit.kinds), acquisition: half, options: options)
        let noise = fit.known.map { _ in
            KnownNoise(IndependentNoise(fit.independent!.origin, values: ranks.map { fit.independent!.values[$0] }))
        }
        let bar = ProgressLine("half \(k + 1) of 2", unit: "voxels", total: ranks.count, quiet: running.talk.quiet)
        let isComplete = try Interrupt.polled {
            try fitter.run(
                voxels: ranks.map { fit.mask.indices[$0] }, signals: fit.signals(ranks, halves.kept[k]), noise: noise,
                deviation: fit.deviation?.selecting(ranks),
                metadata: fitter.metadata(grid: fit.geometry.spatialShape, voxelCount: ranks.count),
                directory: folder, progress: { bar.update($0) }, shouldStop: { Interrupt.requested })
        }
        guard isComplete else { throw StudyInterrupted() }
        return try PosteriorArchive(directory: folder)
    }

    /// What two finished fits agree on, in some of the voxels that both have.
    private func study(_ first: FinishedFit, _ second: FinishedFit, _ scratch: Scratch) throws -> LambdaReport.Part {
        let names = [input.image, asked.repeat!], fits = [first, second]
        guard first.archive.metadata.grid == second.archive.metadata.grid,
            first.geometry.affine == second.geometry.affine
        else { throw LambdaFailure.otherGrid(names[0], names[1]) }
        guard first.archive.metadata.family == second.archive.metadata.family else {
            throw LambdaFailure.otherFamily(names[0], names[1])
        }
        for (name, fit) in zip(names, fits) {
            guard fit.archive.metadata.notes["engine"] != "mcmc" else { throw LambdaFailure.chain(fit: name) }
            guard fit.archive.metadata.hasDraws else { throw ReportingError.noDraws(directory: name) }
        }
        let voxels = fits.map { fit in fit.archive.shards.flatMap { $0.voxels.map(Int.init) } }
        let other = Dictionary(uniqueKeysWithValues: zip(voxels[1], voxels[1].indices))
        let common = voxels[0].indices.filter { other[voxels[0][$0]] != nil }
        guard !common.isEmpty else { throw LambdaFailure.otherGrid(names[0], names[1]) }
        let count = min(asked.voxels, common.count)
        let ranks = (0..<count).map { common[$0 * common.count / count] }
        let thin = try (
            first.archive.taking(ranks, into: scratch.folder("first")),
            second.archive.taking(ranks.map { other[voxels[0][$0]]! }, into: scratch.folder("second"))
        )
        guard
            let study = try Interrupt.polled({
                try LambdaStudy(thin, threads: running.threads.nthreads, shouldStop: { Interrupt.requested })
            })
        else { throw LambdaFailure.otherGrid(names[0], names[1]) }
        return LambdaReport.Part(name: "repeats", words: "two scans", study: study)
    }
}

extension PreparedFit {
    /// Raw signals of some voxels in some volumes.
    fileprivate func signals(_ ranks: [Int], _ volumes: [Int]) -> [Float] {
        let m = acquisition.count
        return ranks.flatMap { rank in volumes.map { series.values[rank * m + $0] } }
    }
}
