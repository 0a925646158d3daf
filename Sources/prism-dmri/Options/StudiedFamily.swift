import ArgumentParser
import CommandLineSupport
import Diffusion
import Foundation
import Inference
import Networks
import Studies

/// What a study of `validate` is about: a family, the engine under test with its network, and what it is held against.
struct StudiedFamily {
    let choice: FamilyChoice
    /// Nil for a family without a network.
    let file: NetworkFile?
    let engine: EngineMaker, reference: EngineMaker
    /// What the reference is, where it is less than an exact engine.
    let statement: String?
    private let name: String?, tested: EngineUnderTest, given: NetworkFile?

    /// - Parameters:
    ///   - name: as given on the command line; nil for the network's, or the standard for the scan.
    ///   - scan: of a study of one; without, ball and sticks are the standard.
    /// - Throws: `ValidationError` for what goes with ball and sticks alone.
    init(_ name: String?, _ tested: EngineUnderTest, scan: Acquisition? = nil) throws {
        let given = try tested.network.map(NetworkFile.init(path:))
        let choice = try FamilyChoice(
            name, network: given.map { ($0.origin, tested.network!) }, scan: tested.engine == .prism ? scan : nil)
        try self.init(choice, name, tested, given)
    }

    /// The same as acquisitions allow it (`FamilyChoice.suited`). A mixture draws timings where the family, or what of
    /// it a network given is for, depends on them.
    /// - Parameters:
    ///   - isIgnored: whether timing is left aside as asked.
    ///   - scan: what they are called.
    ///   - remedy: how they could state their timing, where that is otherwise than for a fit.
    func suited(
        to acquisitions: SimulationStudy.Acquisitions, _ scan: String, isIgnored: Bool, remedy: String, quiet: Bool
    ) throws -> StudiedFamily {
        let isTimed =
            switch acquisitions {
            case .listed(let list): list.allSatisfy(\.hasTiming)
            case .mixture: given.map { !choice.known(to: $0.origin).timedComponents.isEmpty } ?? true
            }
        let suited = try choice.suited(
            isTimed: isTimed, isIgnored: isIgnored, remedy: remedy, warn: { Terminal.note("warning: " + $0) },
            note: { if !quiet, isTimed || name != nil { Terminal.note($0) } })
        try suited.check(given.map { ($0, tested.network!) }, asked: choice)
        try suited.check(acquisitions, scan)
        return try StudiedFamily(suited, name, tested, given)
    }

    /// λ of a study: the one asked for, with a warning where the family is not to be read at it; otherwise the least
    /// that it is to be read at.
    func lambda(_ asked: Double?) -> Double {
        let least = choice.family.words.leastLambda ?? 0
        if tested.engine == .prism, let asked,
            let warning = LambdaRange.warning(asked, family: choice.family.name, least: least)
        {
            Terminal.note("warning: " + warning)
        }
        return asked ?? least
    }

    /// The network where it was trained for all of the family: what it says alone can be asked of all structures.
    var wholeNetwork: NetworkFile? { file?.origin.familyDefinition == choice.family.definition ? file : nil }

    private init(_ choice: FamilyChoice, _ name: String?, _ tested: EngineUnderTest, _ given: NetworkFile?) throws {
        let path = tested.network ?? ""
        (self.choice, self.name, self.tested, self.given) = (choice, name, tested, given)
        switch choice {
        case .ballSticks:
            let network = try given ?? NetworkFile.standard()
            (file, engine, reference, statement) = (network, tested.engineMaker(network), tested.referenceMaker, nil)
        case .composed(let family):
            try choice.refuse(engine: tested.engine.rawValue)
            let network = try given ?? choice.builtInNetwork()
            file = network
            let preset = tested.preset ?? .balanced, error = tested.smcError
            let smc: EngineMaker = { acquisition, options in
                SequentialFamilyRecipe(family: family, acquisition: acquisition, options: options, targetError: error)
            }
            if tested.engine == .smc {
                engine = smc
            } else {
                engine = { acquisition, options in
                    try FamilyEngineRecipe(
                        family: family, file: network, path: path, acquisition: acquisition, options: options,
                        preset: preset)
                }
            }
            // smc takes minutes a voxel: it is asked for by the error it is to run to.
            (reference, statement) =
                error != nil
                ? (smc, nil)
                : (
                    { acquisition, options in
                        try WideSearch(family: family, acquisition: acquisition, options: options)
                    }, WideSearch.statement
                )
        }
    }

    /// The acquisitions that its network was trained on, or is to be trained on by its recipe.
    func mixture() throws -> ProtocolMixture {
        if let mixture = file?.mixture { return mixture }
        guard !choice.isBallSticks, let name else { return ProtocolMixture() }
        return try Recipe(
            yaml: try BuiltInFamilies.recipe(name) ?? Recipe.text(path: name), path: name, isTrained: false
        ).mixture
    }
}
