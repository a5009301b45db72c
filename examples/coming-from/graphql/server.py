"""A GraphQL API behind a key; what goes wrong is said in the body of a 200."""

import os
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Request
from graphql import build_schema, graphql

SCHEMA = build_schema("""
    type Product { id: ID!, name: String!, price: String!, stock: Int! }
    type Review { id: ID! }
    type Query { product(id: ID!): Product }
    type Mutation { addReview(product: ID!, stars: Int!): Review! }
""")
PRODUCTS = {f"p{n}": {"id": f"p{n}", "name": f"Product {n}", "stock": n} for n in range(1, 11)}
app = FastAPI()
reviews: list[tuple[str, int]] = []


class Root:
    """What the fields of queries and mutations give."""

    def product(self, _: object, *, id: str) -> dict[str, Any]:  # noqa: A002  # the schema's name
        """Return a product."""
        return {**PRODUCTS[id], "price": "9.50"}

    def addReview(self, _: object, *, product: str, stars: int) -> dict[str, str]:  # noqa: N802  # the schema's name
        """Take a review."""
        reviews.append((PRODUCTS[product]["id"], stars))
        return {"id": f"r{len(reviews)}"}


@app.post("/graphql")
async def answer(request: Request, x_api_key: Annotated[str, Header()] = "") -> dict[str, Any]:
    """Execute one operation."""
    if x_api_key != os.environ["API_KEY"]:
        raise HTTPException(401, "x-api-key is wrong or absent")
    asked = await request.json()
    done = await graphql(
        SCHEMA,
        asked["query"],
        Root(),
        variable_values=asked.get("variables"),
        operation_name=asked.get("operationName"),
    )
    return dict(done.formatted)
