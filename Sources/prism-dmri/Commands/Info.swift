import ArgumentParser
import CommandLineSupport
import Diffusion
import Files
import Foundation
import Networks
import Reporting
import Tensors
import Volumes

struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what a network or a model family is, and how it was made.",
        usage: "prism-dmri info [options]",
        discussion: Manual.page(
            "",
            examples: [
                ("the built-in network", "prism-dmri info"),
                ("a family, with its structures", "prism-dmri info --family tissue"),
                ("its recipe, to start another from", "prism-dmri info --family tissue --recipe"),
            ]))

    @Option(help: "Trained network (default: the one built in).", completion: .file()) var network: String?
    @Option(
        help:
            """
            Print a family instead: its components, parameters, ranges and structures. One of \
            \(Recipe.familyNames.joined(separator: ", ")), or a training recipe.
            """
    )
    var family: String?
    @Flag(help: "Print the training recipe only: the network's, or with --family the built-in family's.")
    var recipe = false
    @Flag(help: "Print JSON: what a network is.") var json = false
    @OptionGroup var debugging: DebugOptions

    private static func losses(_ origin: NetworkOrigin) -> String {
        guard let structure = origin.structureLoss, let parameters = origin.parameterLoss else { return "not measured" }
        return String(format: "structure %.4f nats, parameters %.4f", structure, parameters)
    }

    func validate() throws {
        if family != nil && network != nil { throw ValidationError("--family goes without --network.") }
        if json && (family != nil || recipe) { throw ValidationError("--json is of a network, without --recipe.") }
    }

    private static func table(_ family: String) throws -> String {
        switch try FamilyChoice.named(family) {
        case .ballSticks: FamilyTable(BallSticks.family).text
        case .composed(let family): FamilyTable(family.composition, words: family.words).text
        }
    }

    func run() throws {
        if let family, !recipe || family == BallSticks().name {
            if recipe { return print(try NetworkFile.standard().origin.recipe.printableLines()) }
            print(try Self.table(family).printableLines())
            return
        }
        if let family { return print(try Recipe.text(path: family).printableLines(), terminator: "") }
        let file = try network.map(NetworkFile.init(path:)) ?? NetworkFile.standard(), o = file.origin
        if recipe {
            print(o.recipe.printableLines())
            return
        }
        if json {
            let losses: [(key: String, value: JSONValue)] = [
                ("structureLoss", o.structureLoss.map { .number(Double($0)) } ?? .null),
                ("parameterLoss", o.parameterLoss.map { .number(Double($0)) } ?? .null),
            ]
            return print(
                JSONValue.object(
                    [
                        ("name", .string(o.name)), ("file", network.map { .string($0) } ?? .null),
                        ("sha256", .string(file.sha256)), ("family", .string(o.family)),
                        ("weights", .integer(file.network.layout.references.reduce(0) { $0 + $1.count })),
                        ("simulations", .integer(o.simulations)), ("steps", .integer(o.steps)),
                    ] + losses + [("blasCore", .string("\(Blas.prepare())"))]
                ).text, terminator: "")
        }
        let products = o.precision.map { ", products in \($0.printable()) precision" } ?? ""
        print(
            """
            network      \(o.name.printable()) (\((network ?? "built in").printable()))
            SHA-256      \(file.sha256)
            family       \(o.family.printable())
            weights      \(file.network.layout.references.reduce(0) { $0 + $1.count })
            simulations  \(o.simulations) in \(o.steps) steps\(products)
            last losses  \(Self.losses(o))
            BLAS core    \(Blas.prepare())
            """)
    }
}
