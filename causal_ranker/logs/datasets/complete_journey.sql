-- The Complete Journey as logs of the contract. Placeholders in braces are numbers and paths that
-- complete_journey.py fills in; nothing a user types reaches this text.
-- A week begins on Monday 00:00 in New York; week 2 begins on 2017-01-02.

CREATE OR REPLACE TEMP TABLE journey_weeks AS
SELECT week::INTEGER AS week,
       timezone('America/New_York', TIMESTAMP '2017-01-02' + to_days(7 * (week - 2)::INTEGER)) AS t0,
       timezone('America/New_York', TIMESTAMP '2017-01-02' + to_days(7 * (week - 1)::INTEGER)) AS horizon_end
FROM range(2, 54) AS weeks(week);

-- Timestamps come naive and are UTC: localise them once, here.
CREATE OR REPLACE TEMP VIEW journey_rows AS
SELECT household_id, store_id, basket_id, product_id, week::INTEGER AS week,
       timezone('UTC', transaction_timestamp) AS bought_at
FROM read_parquet('{transactions}')
WHERE household_id % 1000 < {household_permille};

CREATE OR REPLACE TEMP VIEW journey_promotions AS
SELECT product_id, store_id, week::INTEGER AS week
FROM read_parquet('{promotions}')
WHERE display_location <> '0' OR mailer_location <> '0';

-- Tracked products: chosen from the weeks up to {choose_until} alone.
CREATE OR REPLACE TEMP TABLE journey_items AS
SELECT p.product_id AS item_id, p.department, p.brand, p.product_category AS category,
       p.product_type, p.manufacturer_id
FROM read_parquet('{products}') AS p
JOIN (
    SELECT product_id, count(*) AS purchases
    FROM read_parquet('{transactions}') WHERE week <= {choose_until}
    GROUP BY product_id HAVING count(*) >= {tracked_purchases}
) AS bought USING (product_id)
WHERE p.product_id IN (SELECT product_id FROM journey_promotions WHERE week <= {choose_until})
ORDER BY purchases DESC, item_id
LIMIT {max_items};

CREATE OR REPLACE TEMP TABLE journey_promoted AS
SELECT DISTINCT product_id AS item_id, store_id, week
FROM journey_promotions SEMI JOIN journey_items ON journey_items.item_id = journey_promotions.product_id;

CREATE OR REPLACE TEMP TABLE journey_plays AS
SELECT row_number() OVER (ORDER BY basket_id, product_id) AS play_id,
       household_id AS user_id, product_id AS item_id, min(bought_at) AS played_at,
       'store_' || any_value(store_id) AS surface
FROM journey_rows SEMI JOIN journey_items ON journey_items.item_id = journey_rows.product_id
GROUP BY basket_id, household_id, product_id;

-- Weeks in which a store kept a promotion log. Outside them nobody knows what it promoted.
CREATE OR REPLACE TEMP TABLE journey_logged AS
SELECT DISTINCT store_id, week::INTEGER AS week FROM read_parquet('{promotions}');

-- Who is a row is decided before t0: a visit in the previous eight weeks, anywhere. The store is the
-- most visited one whose promotion log covers the week; ties go to the smaller id.
CREATE OR REPLACE TEMP TABLE journey_requests AS
WITH visits AS (
    SELECT DISTINCT household_id, store_id, basket_id, week FROM journey_rows
), recent AS (
    SELECT household_id, w.week, store_id, count(*) AS visits,
           count(*) FILTER (WHERE v.week = w.week - 1) AS last_week
    FROM visits AS v JOIN journey_weeks AS w ON v.week < w.week AND v.week >= w.week - 8
    GROUP BY household_id, w.week, store_id
), totals AS (
    SELECT household_id, week, sum(visits) AS visits, sum(last_week) AS last_week
    FROM recent GROUP BY household_id, week
), usual AS (
    SELECT household_id, week, store_id, visits AS store_visits
    FROM recent SEMI JOIN journey_logged USING (store_id, week)
    QUALIFY row_number() OVER (
        PARTITION BY household_id, week ORDER BY visits DESC, store_id) = 1
)
SELECT household_id AS user_id, week, store_id, t0, horizon_end,
       visits::FLOAT AS visits_8_weeks, last_week::FLOAT AS visits_last_week,
       (store_visits / visits)::FLOAT AS usual_store_share
FROM totals LEFT JOIN usual USING (household_id, week) JOIN journey_weeks USING (week);

-- What the store's promotion log said before the week began.
CREATE OR REPLACE TEMP TABLE journey_shelf AS
WITH grid AS (
    SELECT s.store_id, i.item_id, w.week, p.week AS promoted_week,
           CASE WHEN l.week IS NOT NULL THEN (p.week IS NOT NULL)::FLOAT END AS promoted
    FROM (SELECT DISTINCT store_id FROM journey_logged) AS s
    CROSS JOIN (SELECT item_id FROM journey_items) AS i
    CROSS JOIN (SELECT unnest(range(1, 54))::INTEGER AS week) AS w
    LEFT JOIN journey_promoted AS p
      ON p.store_id = s.store_id AND p.item_id = i.item_id AND p.week = w.week
    LEFT JOIN journey_logged AS l ON l.store_id = s.store_id AND l.week = w.week
), history AS (
    SELECT store_id, item_id, week, promoted > 0 AS promoted,
           lag(promoted, 1) OVER past AS promoted_1_week_ago,
           lag(promoted, 2) OVER past AS promoted_2_weeks_ago,
           avg(promoted) OVER last_4 AS promoted_share_4_weeks,
           avg(promoted) OVER last_12 AS promoted_share_12_weeks,
           -- Two weeks at one in five are added: none of thirty weeks says more than none of three.
           (coalesce(sum(promoted) OVER before, 0) + 0.4) / (count(promoted) OVER before + 2)
               AS promoted_rate,
           (week - max(promoted_week) OVER before)::FLOAT AS weeks_since_promoted
    FROM grid
    WINDOW past AS (PARTITION BY store_id, item_id ORDER BY week),
           last_4 AS (PARTITION BY store_id, item_id ORDER BY week
                      ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING),
           last_12 AS (PARTITION BY store_id, item_id ORDER BY week
                       ROWS BETWEEN 12 PRECEDING AND 1 PRECEDING),
           before AS (PARTITION BY store_id, item_id ORDER BY week
                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), stores AS (
    SELECT store_id, week, avg(promoted_share_4_weeks) AS store_promoted_share
    FROM history GROUP BY store_id, week
), items AS (
    SELECT item_id, week, avg(promoted_1_week_ago) AS stores_promoting_last_week,
           avg(promoted_share_4_weeks) AS stores_promoting_4_weeks
    FROM history GROUP BY item_id, week
)
SELECT store_id, item_id, week, promoted,
       promoted_1_week_ago::FLOAT AS promoted_1_week_ago,
       promoted_2_weeks_ago::FLOAT AS promoted_2_weeks_ago,
       promoted_share_4_weeks::FLOAT AS promoted_share_4_weeks,
       promoted_share_12_weeks::FLOAT AS promoted_share_12_weeks,
       promoted_rate::FLOAT AS promoted_rate,
       weeks_since_promoted,
       store_promoted_share::FLOAT AS store_promoted_share,
       stores_promoting_last_week::FLOAT AS stores_promoting_last_week,
       stores_promoting_4_weeks::FLOAT AS stores_promoting_4_weeks
FROM history JOIN stores USING (store_id, week) JOIN items USING (item_id, week)
WHERE week >= 2;

-- T = 1, intention to treat: promoted this week in the household's usual logged store.
CREATE OR REPLACE TEMP VIEW journey_candidates AS
SELECT r.user_id, s.item_id, r.t0, r.horizon_end, s.promoted AS shown,
       s.item_id * 100 + r.week AS assignment_unit, r.week::FLOAT AS week_of_year,
       r.visits_8_weeks, r.visits_last_week, r.usual_store_share,
       s.promoted_1_week_ago, s.promoted_2_weeks_ago, s.promoted_share_4_weeks,
       s.promoted_share_12_weeks, s.promoted_rate, s.weeks_since_promoted,
       s.store_promoted_share, s.stores_promoting_last_week, s.stores_promoting_4_weeks
FROM journey_requests AS r
JOIN journey_shelf AS s ON s.store_id = r.store_id AND s.week = r.week;

-- A household id is below 10,000 and a product id below 100,000,000, so the id is unique.
CREATE OR REPLACE TEMP VIEW journey_impressions AS
SELECT ((assignment_unit % 100) * 10000 + user_id) * 100000000 + item_id AS impression_id,
       user_id, item_id, t0, assignment_unit
FROM journey_candidates WHERE shown;

-- The sensitivity version of T: promoted in a logged store that the household visits this week.
CREATE OR REPLACE TEMP VIEW journey_visited_promotions AS
SELECT DISTINCT v.household_id AS user_id, p.item_id, w.t0
FROM (SELECT DISTINCT household_id, store_id, week FROM journey_rows) AS v
JOIN journey_promoted AS p ON p.store_id = v.store_id AND p.week = v.week
JOIN journey_weeks AS w ON w.week = v.week;
