import Chain
import CommandLineSupport
import Diffusion
import Foundation
import Inference
import Networks
import Reporting
import Volumes

/// A fit before its first voxel: everything is read, checked and chosen, and nothing written.
struct PreparedFit {
    let started = Date(), begin = ContinuousClock.now
    let family: FamilyChoice, recipe: any EngineRecipe, options: FitOptions
    /// Components that were left out of it because nothing says when the gradients' pulses come.
    let leftOut: [String]
    let geometry: VolumeGeometry, acquisition: Acquisition, isInTrainingRange: Bool?
    let mask: Mask, series: MaskedSeries, deviation: GradientDeviation?
    let survey: FitSurvey, directions: OrientationTest, kinds: NoiseKinds
    /// An estimate of the noise that knows no model, or the map given; made before only where the fit rests on it.
    private(set) var independent: IndependentNoise?
    let known: KnownNoise?
    private(set) var warnings: [String]
    /// Seconds by stage.
    private(set) var timings: [String: Double]

    /// Voxels that can be fitted and have a usable value of the noise.
    var knownCount: Int { survey.knownCount }
    var fitter: FitEngine { FitEngine(recipe: recipe, acquisition: acquisition, options: options) }

    init(_ command: Fit) throws {
        let model = command.model, input = command.input
        var warnings: [String] = [], timings: [String: Double] = [:]
        func warn(_ text: String) {
            warnings.append(text)
            Terminal.note("warning: " + text)
        }
        let given = try model.network.map(NetworkFile.init(path:))
        let (geometry, acquisition) = try input.open(warn: warn)
        let asked = try model.family(of: acquisition, network: given)
        let family = try asked.suited(
            isTimed: acquisition.hasTiming, isIgnored: input.timing.ignoreTiming, warn: warn
        ) {
            // Of what a family taken unasked could have besides, fit.json and the report will do.
            if !command.isQuiet, acquisition.hasTiming || model.family != nil { Terminal.note($0) }
        }
        try family.check(given.map { ($0, model.network!) }, asked: asked)
        leftOut = acquisition.hasTiming ? [] : asked.timedComponents
        if model.family == nil, given == nil, !family.isBallSticks, !command.isQuiet {
            Terminal.note(
                """
                Several shells: the family is '\(family.family.name)'. With --family ball-sticks the fit is some 25 \
                times faster, but takes dispersion and the water between axons for fibres.
                """)
        }
        Debug.say("image \(input.dwi), table \(input.tableFiles), mask \(input.maskFile ?? "none")")
        var options = FitOptions()
        options.lambda = model.engine == .mcmc ? 0 : model.lambda ?? options.lambda
        options.samples = model.engine == .mcmc ? command.chain.options.drawCount : model.samples ?? options.samples
        options.seed = command.running.seed
        options.threads = command.running.threads.nthreads
        // What no network was trained for, none has a range for.
        let file = model.engine != .prism ? nil : try given ?? family.builtInNetwork()
        var recipe = try Self.recipe(command, family, file, acquisition, options)
        let isInTrainingRange = file.flatMap { family.covers(acquisition, $0, warn: warn) }
        let trained = file == nil ? nil : family.family.simulatedRange(of: acquisition)
        let mask = try input.openMask(geometry, acquisition, warn: warn)
        let deviation = try input.openDeviation(geometry, mask)
        if let deviation, let file = input.deviationFile {
            warn(deviation.description(path: file) + ": each voxel is fitted with its own.")
        }
        var independent = try model.noiseMap.map { try NoiseMap.read($0, mask: mask, of: input.dwi, warn: warn) }

        let reading = ContinuousClock.now
        let bar = ProgressLine("reading", unit: "volumes", total: acquisition.count, quiet: command.isQuiet)
        let series = try MaskedSeries(path: input.dwi, mask: mask) { read, _ in bar.update(read) }
        timings["reading"] = ProgressLine.seconds(from: reading, to: .now)
        let kindSurvey = SignalSurvey(series.values, measurements: series.measurements, areIntegers: series.areIntegers)
        let kinds = model.noise.kinds(kindSurvey)
        options.rules = kindSurvey.rules(trained: trained)
        if model.knownNoise && independent == nil {
            let estimating = ContinuousClock.now
            independent = Self.noise(series, mask, geometry, acquisition, threads: options.threads)
            timings["noise"] = ProgressLine.seconds(from: estimating, to: .now)
            if Interrupt.requested {
                throw Interrupted(out: command.out, keepsWork: false, again: .resume)
            }
        }
        let known = model.knownNoise ? independent.map(KnownNoise.init) : nil
        if model.knownNoise && known == nil { throw NoNoiseToKnow.noEstimate(path: input.dwi) }
        let survey = FitSurvey(series.values, acquisition, options.rules, noise: known)
        guard survey.unfitted < survey.voxels else { throw NoVoxelFitted(survey: survey) }
        if let known, survey.knownCount == 0 { throw NoNoiseToKnow.noVoxel(model.noiseMap ?? known.source.rawValue) }
        for text in kindSurvey.warnings(noise: model.engine == .mcmc ? .gaussian : kinds) + survey.warnings {
            warn(text)
        }
        let directions = try input.testDirections(series, acquisition, threads: options.threads)
        if let warning = directions.warning { warn(warning) }
        if kinds != .either { recipe = recipe.adapted(to: acquisition, noise: kinds) }
        (self.family, self.recipe, self.options) = (family, recipe, options)
        (self.geometry, self.acquisition, self.isInTrainingRange) = (geometry, acquisition, isInTrainingRange)
        (self.mask, self.series, self.deviation) = (mask, series, deviation)
        (self.survey, self.directions) = (survey, directions)
        (self.kinds, self.independent, self.known) = (kinds, independent, known)
        (self.warnings, self.timings) = (warnings, timings)
        Debug.say("engine \(recipe.name), \(recipe.drawCount) draws, noise \(kinds), \(options.threads) threads")
    }

    private static func noise(
        _ series: MaskedSeries, _ mask: Mask, _ geometry: VolumeGeometry, _ acquisition: Acquisition, threads: Int
    ) -> IndependentNoise? {
        IndependentNoise.estimate(
            voxels: mask.indices, grid: geometry.spatialShape, signals: series.values, acquisition: acquisition,
            threads: threads, shouldStop: { Interrupt.requested })
    }

    mutating func estimateNoise() {
        guard independent == nil else { return }
        let estimating = ContinuousClock.now
        independent = Self.noise(series, mask, geometry, acquisition, threads: options.threads)
        note("noise", since: estimating)
    }

    mutating func note(_ stage: String, since moment: ContinuousClock.Instant) {
        timings[stage] = ProgressLine.seconds(from: moment, to: .now)
        Debug.say(String(format: "%@ took %.2f s", stage as NSString, timings[stage]!))
    }

    mutating func warn(_ text: String) {
        warnings.append(text)
        Terminal.note("warning: " + text)
    }

    private static func recipe(
        _ command: Fit, _ chosen: FamilyChoice, _ file: NetworkFile?, _ acquisition: Acquisition, _ options: FitOptions
    ) throws -> any EngineRecipe {
        let model = command.model
        switch (chosen, model.engine) {
        case (.composed(let family), let engine):
            try chosen.check(largestB: acquisition.bValues.max() ?? 0, of: command.input.dwi)
            if engine == .smc {
                return SequentialFamilyRecipe(family: family, acquisition: acquisition, options: options)
            }
            return try FamilyEngineRecipe(
                family: family, file: file, path: model.network ?? "the built-in network", acquisition: acquisition,
                options: options,
                preset: model.preset ?? .balanced)
        case (.ballSticks, .prism):
            return try PrismRecipe(
                file: file!, path: model.network ?? "the built-in network",
                acquisition: acquisition, options: options, preset: model.preset ?? .balanced)
        case (.ballSticks, .smc): return SmcRecipe(acquisition: acquisition, options: options)
        case (.ballSticks, .mcmc):
            return McmcRecipe(acquisition: acquisition, chain: command.chain.options, options: options)
        }
    }
}

extension FitSurvey {
    fileprivate var knownCount: Int { voxels - unfitted - withoutNoise }

    /// What the user should know of voxels that are not fitted as they were meant to be.
    fileprivate var warnings: [String] {
        var texts: [String] = []
        if unfitted > 0 {
            texts.append(
                """
                \(unfitted) of \(voxels) voxels cannot be fitted (\(explanation)): they are 0 in every map, and \
                marked in quality.nii.gz.
                """)
        }
        if withoutNoise > 0 {
            texts.append(
                """
                \(withoutNoise) of \(voxels) voxels have no usable value of the noise (none above 0, or an SNR that \
                no image has): they are fitted as without --known-noise.
                """)
        }
        return texts
    }
}
