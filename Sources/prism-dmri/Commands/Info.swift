import ArgumentParser
import Foundation
import Networks
import Tensors
import Volumes

struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Say what a network is, and how it was made.")

    @Option(help: "Trained network (default: the one built in).") var network: String?
    @Flag(help: "Print the training recipe only.") var recipe = false

    private static func losses(_ origin: NetworkOrigin) -> String {
        guard let structure = origin.structureLoss, let parameters = origin.parameterLoss else { return "not measured" }
        return String(format: "structure %.4f nats, parameters %.4f", structure, parameters)
    }

    func run() throws {
        let file = try network.map(NetworkFile.init(path:)) ?? NetworkFile.standard(), o = file.origin
        if recipe {
            print(o.recipe.printableLines())
            return
        }
        print("""
            network      \(o.name.printable()) (\((network ?? "built in").printable()))
            SHA-256      \(file.sha256)
            family       \(o.family.printable())
            weights      \(file.network.layout.references.reduce(0) { $0 + $1.count })
            simulations  \(o.simulations) in \(o.steps) steps
            last losses  \(Self.losses(o))
            BLAS core    \(Blas.prepare())
            """)
    }
}
