-- Visits, purchases and mailers of The Complete Journey, by item = category::type.
-- The views grocery_transactions, grocery_promotions and grocery_products are made by the caller.

CREATE OR REPLACE TEMP TABLE grocery_names AS
SELECT product_id, product_category || '::' || product_type AS item,
       dense_rank() OVER (ORDER BY item)::INTEGER AS name
FROM grocery_products
WHERE product_category IS NOT NULL AND product_type IS NOT NULL;

-- Weeks in which a store kept a promotion log. Outside them nobody knows what it promoted.
CREATE OR REPLACE TEMP TABLE grocery_logged AS
SELECT DISTINCT week::INTEGER AS week, store_id FROM grocery_promotions;

CREATE OR REPLACE TEMP TABLE grocery_mailers AS
SELECT DISTINCT week::INTEGER AS week, store_id, name
FROM grocery_promotions JOIN grocery_names USING (product_id)
WHERE mailer_location <> '0';

-- A basket without an item that has a name is a visit all the same.
CREATE OR REPLACE TEMP TABLE grocery_baskets AS
SELECT DISTINCT household_id, week::INTEGER AS week, store_id, name
FROM grocery_transactions
SEMI JOIN grocery_logged USING (store_id, week)
LEFT JOIN grocery_names USING (product_id);

-- An item that no mailer ever held has no exposed week.
CREATE OR REPLACE TEMP TABLE grocery_items AS
SELECT name, item, row_number() OVER (ORDER BY name) - 1 AS code
FROM (SELECT DISTINCT name, item FROM grocery_names)
SEMI JOIN grocery_mailers USING (name);

CREATE OR REPLACE TEMP TABLE grocery_stores AS
SELECT store_id, row_number() OVER (ORDER BY store_id) - 1 AS code
FROM (SELECT DISTINCT store_id FROM grocery_logged);

CREATE OR REPLACE TEMP TABLE grocery_weeks AS
SELECT week, row_number() OVER (ORDER BY week) - 1 AS code
FROM (SELECT DISTINCT week FROM grocery_logged);
